// Where an answer takes away what has the focus, the focus goes to what stands in its place: the same thing drawn anew,
// what a button added, the title of the form, the neighbour. A thing with data-back names what it closes; that gets it then.
(() => {
  const STOPS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [contenteditable], [tabindex='0']";
  const stops = (root) => [...root.querySelectorAll(STOPS)].filter((each) => !each.disabled && each.checkVisibility());
  const name = (stop) => stop.name || stop.field?.name || "";
  const said = (stop) =>
    [stop.localName, stop.id, stop.getAttribute("href") ?? stop.form?.action, name(stop), stop.value, stop.textContent.trim()].join(" ");

  let lost = null;
  const remember = () => {
    const had = document.activeElement;
    if (!had || had === document.body) return;
    lost = { had, said: said(had), adds: had.name === "act", back: had.closest("[data-back]")?.dataset.back, around: [] };
    for (let root = had.parentElement?.closest("[id]"); root; root = root.parentElement?.closest("[id]")) {
      const inside = stops(root);
      lost.around.push({ id: root.id, index: inside.indexOf(had), names: new Set(inside.map(name)) });
    }
  };
  const place = (was) => {
    const back = was.back && document.querySelector(was.back);
    if (back) return back;
    const around = was.around.find(({ id }) => document.getElementById(id)?.checkVisibility());
    if (!around) return null;
    const root = document.getElementById(around.id);
    const now = stops(root);
    return (
      (was.adds && now.find((stop) => name(stop) && !around.names.has(name(stop)))) ||
      now.find((stop) => said(stop) === was.said) ||
      root.querySelector("[id$=-title][tabindex]") ||
      now[Math.max(0, Math.min(around.index, now.length - 1))] ||
      root
    );
  };
  const restore = () => {
    const was = lost;
    lost = null;
    const active = document.activeElement;
    if (!was || (active && active !== document.body)) return;
    if (was.had.isConnected && !was.had.disabled && was.had.checkVisibility()) return;
    place(was)?.focus();
  };

  document.addEventListener("htmx:beforeSwap", remember);
  document.addEventListener("htmx:afterSettle", () => queueMicrotask(restore)); // after whoever asks for the focus
})();
