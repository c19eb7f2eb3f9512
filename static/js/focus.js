// Moves the focus to what asks for it (an error summary, the title of a form), once: after a load and after a swap.
// On a page that came back for one wrong field nothing asks: that field gets it.
(() => {
  const focus = (root) => {
    const wanted = root.querySelector("[data-focus]");
    wanted?.focus();
    wanted?.removeAttribute("data-focus");
  };
  document.addEventListener("DOMContentLoaded", () => {
    focus(document);
    if (document.activeElement === document.body) document.querySelector("main form [aria-invalid]")?.focus();
  });
  document.addEventListener("htmx:afterSettle", (event) => focus(event.detail.elt));
})();
