// Says, in the notices, when the server cannot be reached, and takes it back when it answers again. So goes the notice of
// what failed that the page asks by itself, or that a form that saves itself asked, once that is answered; what failed that
// a person asked for stays.
(() => {
  const notices = () => document.getElementById("notices");
  const note = () => document.getElementById("no-connection");
  const isOurs = (xhr) => Boolean(xhr?.getResponseHeader("HX-Retarget"));

  const say = () => {
    if (!notices() || note()) return;
    const box = document.createElement("div");
    box.className = "note care";
    box.id = "no-connection";
    box.textContent = "Greenlight cannot be reached. This page goes on by itself when it can.";
    notices().append(box);
  };
  document.addEventListener("htmx:sendError", say);
  document.addEventListener("htmx:timeout", say);
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status < 500 || isOurs(xhr)) return;
    event.detail.shouldSwap = false; // the page of something in between, not Greenlight's
    say();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful, xhr } = event.detail;
    if (successful) note()?.remove();
    if (successful && elt.matches?.("[data-saves-itself]")) notices()?.replaceChildren();
    if (!elt.matches?.("[data-poll]")) return;
    if (successful) for (const old of document.querySelectorAll("#notices > [data-of-poll]")) old.remove();
    else if (isOurs(xhr)) for (const each of notices()?.children ?? []) each.dataset.ofPoll = "";
  });
})();
