// Counts the characters of a text as it is typed, beside how many fit.
(() => {
  const number = new Intl.NumberFormat("en-US");
  const show = (note) => {
    const field = document.getElementById(note.dataset.counts);
    if (!field) return;
    const used = field.value.length;
    const limit = Number(note.dataset.limit);
    note.textContent = used
      ? `${number.format(used)} of ${number.format(limit)} characters`
      : `At most ${number.format(limit)} characters`;
    note.classList.toggle("over", used > limit);
  };
  const showAll = (root) => {
    for (const note of root.querySelectorAll("[data-counts]")) show(note);
  };
  document.addEventListener("input", (event) => {
    const note = document.querySelector(`[data-counts="${CSS.escape(event.target.id || "-")}"]`);
    if (note) show(note);
  });
  document.addEventListener("DOMContentLoaded", () => showAll(document));
  document.addEventListener("htmx:afterSettle", (event) => showAll(event.detail.elt));
  window.addEventListener("pageshow", () => showAll(document));
})();
