// Asks a new question from where its answer is wanted: the small form of it comes there, and goes back when it is left.
(() => {
  const form = () => document.getElementById("ask");
  let home = null; // where the form stands until it is wanted
  let back = null; // what has the focus again when it is left

  const open = (into, at, place, opener) => {
    const ask = form();
    if (!ask) return;
    if (!home?.isConnected) {
      home = document.createComment("ask");
      ask.before(home);
    }
    back = opener;
    place.after(ask);
    ask.classList.add("asks-here");
    const where = ask.querySelector("[name=new-into]");
    if (![...where.options].some((each) => each.value === into)) where.append(new Option("here", into));
    where.value = into;
    ask.querySelector("[name=new-at]").value = at;
    ask.querySelector("[name=new-type]").value = opener.dataset.asks || "text";
    ask.querySelector("[name=new-label]").focus();
  };
  const close = () => {
    const ask = form();
    if (!home?.isConnected || !ask.classList.contains("asks-here")) return;
    ask.classList.remove("asks-here");
    home.replaceWith(ask);
    home = null;
    back?.focus();
  };

  // a list that is closed changes with every letter: what is still typed is not for the form
  const PAUSE_MS = 500;
  let typed = -PAUSE_MS;
  const whenTyped = (go) => {
    const left = typed + PAUSE_MS - performance.now();
    if (left > 0) setTimeout(() => whenTyped(go), left);
    else go();
  };
  document.addEventListener("keydown", (event) => {
    if (event.target.matches?.("select[data-asks]") && event.key !== "Enter") typed = performance.now();
  });

  document.addEventListener("greenlight:ask", (event) => open(event.detail.into, event.detail.at, event.detail.place, event.target));
  document.addEventListener(
    "change",
    (event) => {
      const chosen = event.target.selectedOptions?.[0];
      if (!chosen || !("ask" in chosen.dataset)) return;
      event.stopImmediatePropagation(); // nothing was chosen yet, so nothing is saved
      whenTyped(() => {
        const select = event.target;
        if (select.selectedOptions[0] !== chosen) return;
        select.value = [...select.options].find((each) => each.defaultSelected)?.value ?? "";
        open(select.name, "", select.closest(".field"), select);
      });
    },
    true,
  );
  // what is written of a question saves nothing before it is asked
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => event.target.closest?.("#ask") && event.stopImmediatePropagation(), true);
  }
  document.addEventListener("keydown", (event) => {
    const ask = event.target.closest?.("#ask");
    if (!ask) return;
    if (event.key === "Escape") close();
    if (event.key === "Enter" && event.target.localName === "input") {
      event.preventDefault();
      ask.querySelector("button[value=ask]").click();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-ask-close]")) close();
  });

  const offer = (root) => {
    for (const select of root.querySelectorAll?.("select[data-asks]") ?? []) {
      if (select.querySelector("[data-ask]") || !form()) continue;
      const option = document.createElement("option");
      option.value = "";
      option.dataset.ask = "";
      option.textContent = "Ask a new question…";
      select.append(option);
    }
  };
  document.addEventListener("DOMContentLoaded", () => offer(document));
  document.addEventListener("htmx:load", (event) => offer(event.detail.elt.parentNode ?? event.detail.elt));
})();
