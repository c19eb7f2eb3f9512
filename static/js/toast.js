// A word about a run that has ended goes away by itself, but not while it is looked at; the same one never comes twice.
(() => {
  const STAY_MS = 12_000;
  const seen = new Set();

  const watch = (toast) => {
    if (toast.dataset.watched) return;
    toast.dataset.watched = "1";
    if (seen.has(toast.dataset.toast)) return toast.remove();
    seen.add(toast.dataset.toast);
    const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 2_000) : toast.remove());
    setTimeout(leave, STAY_MS);
  };
  const title = () => {
    const count = Number(document.getElementById("active-mark")?.dataset.count ?? 0);
    const plain = document.title.replace(/^\(\d+\) /, "");
    const said = count ? `(${count}) ${plain}` : plain;
    if (document.title !== said) document.title = said;
  };
  document.addEventListener("htmx:oobAfterSwap", () => {
    for (const toast of document.querySelectorAll("[data-toast]")) watch(toast);
    title();
  });
  document.addEventListener("click", (event) => event.target.closest?.("[data-close-toast]")?.closest("[data-toast]").remove());
})();
