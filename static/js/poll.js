// Asks again for what changes by itself. An element with data-poll (seconds) gets the event "poll", on which htmx asks.
// Nothing new: the pause grows up to data-poll-most. Something new: the answer brings the element anew, so it starts over.
// A page that is looked at again, is online again or slept with its machine asks at once.
(() => {
  const LOOK_MS = 2000;
  const SLEPT_MS = 10_000;
  const timers = new WeakMap();

  const next = (element, seconds) => {
    clearTimeout(timers.get(element));
    timers.set(element, setTimeout(() => ask(element, seconds), seconds * 1000));
  };
  const ask = (element, seconds) => {
    if (!element.isConnected || !element.hasAttribute("data-poll")) return;
    if (document.hidden) return; // goes on when the page is looked at again
    element.dataset.pollNow = String(seconds);
    htmx.trigger(element, "poll");
  };
  const watch = (root) => {
    const found = [...root.querySelectorAll("[data-poll]")];
    if (root.matches?.("[data-poll]")) found.push(root);
    for (const element of found) if (!timers.has(element)) next(element, Number(element.dataset.poll));
  };

  document.addEventListener("DOMContentLoaded", () => watch(document));
  document.addEventListener("htmx:load", (event) => watch(event.detail.elt));
  document.addEventListener("htmx:oobAfterSwap", () => watch(document));
  document.addEventListener("htmx:afterRequest", (event) => {
    const element = event.detail.elt;
    if (!element.isConnected || !element.hasAttribute("data-poll")) return;
    if (event.detail.xhr?.status === 286) return element.removeAttribute("data-poll");
    const most = Number(element.dataset.pollMost ?? 30);
    const now = Number(element.dataset.pollNow ?? element.dataset.poll);
    next(element, event.detail.successful ? Math.min(most, now * 1.5) : Math.min(30, now * 2));
  });
  const catchUp = () => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("[data-poll]")) {
      htmx.trigger(element, "htmx:abort"); // a request from before may hang until its time is over
      ask(element, Number(element.dataset.poll));
    }
  };
  document.addEventListener("visibilitychange", catchUp);
  window.addEventListener("online", catchUp);
  let looked = Date.now();
  setInterval(() => {
    const slept = Date.now() - looked > SLEPT_MS;
    looked = Date.now();
    if (slept) catchUp(); // the clock went on, the timers did not
  }, LOOK_MS);
})();
