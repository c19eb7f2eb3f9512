// Moves the focus to what asks for it (an error summary, the title of a form), once: after a load and after a swap.
(() => {
  const focus = (root) => {
    const wanted = root.querySelector("[data-focus]");
    wanted?.focus();
    wanted?.removeAttribute("data-focus");
  };
  document.addEventListener("DOMContentLoaded", () => focus(document));
  document.addEventListener("htmx:afterSettle", (event) => focus(event.detail.elt));
})();
