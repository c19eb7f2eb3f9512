// Says, in the notices, when the server cannot be reached, and takes it back when it answers again.
(() => {
  const note = () => document.getElementById("no-connection");
  document.addEventListener("htmx:sendError", () => {
    const notices = document.getElementById("notices");
    if (!notices || note()) return;
    const box = document.createElement("div");
    box.className = "note care";
    box.id = "no-connection";
    box.textContent = "Greenlight cannot be reached. This page goes on by itself when it can.";
    notices.append(box);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) note()?.remove();
  });
})();
