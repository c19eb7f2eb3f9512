// Keeps the text beside the diagram in step with it: when the draft is saved elsewhere, the text is fetched anew.
// What somebody is writing is left alone. A problem's link leads to its line.
(() => {
  const pane = () => document.getElementById("pane");

  document.addEventListener("input", (event) => {
    if (event.target.id === "pane-text") pane().dataset.written = "now";
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "pane") pane().dataset.written = "sent";
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = pane();
    if (!form) return;
    if (event.detail.elt === form) {
      if (event.detail.successful && form.dataset.written === "sent") delete form.dataset.written;
      return;
    }
    const now = document.getElementById("builder-head")?.dataset.revision;
    if (form.dataset.written || now === form.elements.revision.value || event.detail.target?.id === "text-pane") return;
    htmx.ajax("GET", form.dataset.fresh, { source: "#text-pane", target: "#text-pane", swap: "innerHTML" });
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-line]");
    const area = link && document.querySelector(link.getAttribute("href"));
    if (!area) return;
    event.preventDefault();
    const lines = area.value.split("\n");
    const start = lines.slice(0, link.dataset.line - 1).join("\n").length + (link.dataset.line > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + lines[link.dataset.line - 1].length);
    area.scrollTop = (link.dataset.line - 3) * parseFloat(getComputedStyle(area).lineHeight);
  });
})();
