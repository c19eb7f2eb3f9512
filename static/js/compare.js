// Templates ticked for comparison: their names in the bar, at most three, kept while one searches on.
(() => {
  const KEY = "gl-compare";
  const kept = () => new Map(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));
  const keep = (chosen) => sessionStorage.setItem(KEY, JSON.stringify([...chosen]));
  const show = () => {
    const form = document.querySelector("form[data-compare]");
    if (!form) return;
    const chosen = kept();
    const most = Number(form.dataset.compare);
    for (const box of form.querySelectorAll("[data-compares]")) {
      box.checked = chosen.has(box.value);
      box.disabled = chosen.size >= most && !box.checked;
    }
    for (const each of form.querySelectorAll("input[data-elsewhere]")) each.remove();
    for (const slug of chosen.keys()) {
      if (form.querySelector(`[data-compares][value="${CSS.escape(slug)}"]`)) continue;
      const hidden = Object.assign(document.createElement("input"), { type: "hidden", name: "t", value: slug });
      hidden.dataset.elsewhere = "";
      form.append(hidden);
    }
    const names = [...chosen.values()].join(", ");
    form.querySelector("[data-names]").textContent =
      chosen.size === 0 ? "" : `${chosen.size} chosen: ${names}${chosen.size === 1 ? ". Tick one more." : ""}`;
    form.querySelector("[data-chosen]").hidden = chosen.size === 0;
    form.querySelector("[data-clear]").hidden = false;
    form.querySelector("[type=submit]").hidden = chosen.size < 2;
  };
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!box.dataset?.compares) return;
    const chosen = kept();
    if (box.checked) chosen.set(box.value, box.dataset.compares);
    else chosen.delete(box.value);
    keep(chosen);
    show();
  });
  document.addEventListener("reset", (event) => {
    if (!event.target.dataset.compare) return;
    keep(new Map());
    setTimeout(show);
  });
  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:afterSettle", show);
  window.addEventListener("pageshow", show);
})();
