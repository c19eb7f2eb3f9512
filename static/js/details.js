// A link to a step of the trace opens it; Escape and a click elsewhere close a confirmation.
(() => {
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.tagName === "DETAILS") target.open = true;
  };
  window.addEventListener("hashchange", open);
  document.addEventListener("DOMContentLoaded", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) open();
    for (const confirm of document.querySelectorAll("details.confirm[open]")) {
      if (!confirm.contains(event.target)) confirm.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const confirm of document.querySelectorAll("details.confirm[open]")) {
      confirm.open = false;
      confirm.querySelector("summary").focus();
    }
  });
})();
