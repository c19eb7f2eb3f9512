// Moves the focus to what asks for it (an error summary), after a load and after a swap.
(() => {
  const focus = (root) => root.querySelector("[data-focus]")?.focus();
  document.addEventListener("DOMContentLoaded", () => focus(document));
  document.addEventListener("htmx:afterSettle", (event) => focus(event.detail.elt));
})();
