// A slider beside a number with two ends: the number is what is sent, either moves the other, the arrow keys count.
(() => {
  const sliderOf = (field) => document.querySelector(`[data-slides="${CSS.escape(field.id || "-")}"]`);
  const fieldOf = (slider) => document.getElementById(slider.dataset.slides);
  const follow = (slider, written) => {
    if (Number.isFinite(Number(written))) slider.value = written.trim() || slider.min;
  };
  const tell = (field, kind) => field.dispatchEvent(new Event(kind, { bubbles: true }));
  const show = (root) => {
    for (const slider of root.querySelectorAll("[data-slides]")) {
      slider.hidden = false;
      follow(slider, fieldOf(slider)?.value ?? "");
    }
  };
  document.addEventListener("input", (event) => {
    if (event.target.dataset?.slides) {
      const field = fieldOf(event.target);
      field.value = event.target.value;
      tell(field, "input");
      return;
    }
    const slider = sliderOf(event.target);
    if (slider) follow(slider, event.target.value);
  });
  document.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const slider = by && event.target.id ? sliderOf(event.target) : null;
    if (!slider) return;
    event.preventDefault();
    const now = Number(event.target.value);
    const next = Number.isFinite(now) && event.target.value.trim() ? now + by : Number(slider.min);
    event.target.value = Math.min(Math.max(next, Number(slider.min)), Number(slider.max));
    tell(event.target, "input");
  });
  document.addEventListener("DOMContentLoaded", () => show(document));
  document.addEventListener("htmx:afterSettle", (event) => show(event.detail.elt));
  window.addEventListener("pageshow", () => show(document));
})();
