// A word about a run that has ended goes away by itself, but not while it is looked at. The same one never comes twice in a tab.
(() => {
  const STAY_MS = 12_000;
  const KEPT = 20;
  const seen = () => (sessionStorage.getItem("toasts") ?? "").split(" ");

  const watch = (toast) => {
    if (toast.dataset.watched) return;
    toast.dataset.watched = "1";
    const had = seen();
    if (had.includes(toast.dataset.toast)) return toast.remove();
    sessionStorage.setItem("toasts", [...had, toast.dataset.toast].slice(-KEPT).join(" "));
    const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 2_000) : toast.remove());
    setTimeout(leave, STAY_MS);
  };
  const title = () => {
    const count = document.getElementById("active-mark")?.dataset.count ?? "0";
    const plain = document.title.replace(/^\(\d+\+?\) /, "");
    const said = count !== "0" ? `(${count}) ${plain}` : plain;
    if (document.title !== said) document.title = said;
  };
  document.addEventListener("htmx:oobAfterSwap", () => {
    for (const toast of document.querySelectorAll("[data-toast]")) watch(toast);
    title();
  });
  let came = null; // from where the focus went to a word: it goes back there when that is closed
  document.addEventListener("focusin", ({ target, relatedTarget }) => {
    if (target.closest("#toasts") && !relatedTarget?.closest("#toasts")) came = relatedTarget;
  });
  document.addEventListener("click", (event) => {
    const toast = event.target.closest?.("[data-close-toast]")?.closest("[data-toast]");
    if (!toast) return;
    const hadFocus = toast.contains(document.activeElement);
    toast.remove();
    if (hadFocus) (came?.isConnected ? came : document.getElementById("main"))?.focus({ preventScroll: true });
  });
})();
