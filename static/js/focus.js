// Moves the focus to what asks for it (an error summary, the title of a form), once: after a load and after a swap.
// On a page that came back for one wrong field nothing asks: that field gets it.
(() => {
  const FIELDS = "input:not([type=hidden]), select, textarea, [contenteditable], button";
  const focus = (root) => {
    const wanted = root.querySelector("[data-focus]");
    if (!wanted) return;
    wanted.removeAttribute("data-focus");
    // of a group, its first field: it says the group's name and what is wrong there too
    const fields = wanted.localName === "fieldset" ? [...wanted.querySelectorAll(FIELDS)] : [];
    (fields.find((field) => field.checkVisibility()) ?? wanted).focus();
  };
  document.addEventListener("DOMContentLoaded", () => {
    focus(document);
    if (document.activeElement === document.body) document.querySelector("main form [aria-invalid]")?.focus();
  });
  document.addEventListener("htmx:afterSettle", (event) => focus(event.detail.elt));
})();
