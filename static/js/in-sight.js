// Brings the step whose form is open into sight, once: when another one was chosen and its box is outside the canvas.
(() => {
  let last = "";
  const show = () => {
    const box = document.querySelector(".canvas a[aria-current]");
    if (!box || box.id === last) return;
    last = box.id;
    const canvas = box.closest(".canvas");
    const [at, seen] = [box.getBoundingClientRect(), canvas.getBoundingClientRect()];
    if (at.top < seen.top || at.bottom > seen.bottom) canvas.scrollTop += at.top - seen.top - (seen.height - at.height) / 2;
    if (at.left < seen.left || at.right > seen.right) canvas.scrollLeft += at.left - seen.left - (seen.width - at.width) / 2;
  };
  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:afterSettle", show);
})();
