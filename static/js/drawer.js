// A link with data-drawer opens its page beside the one that is read; without this script it simply leads there.
(() => {
  const drawer = () => document.getElementById("drawer");
  const inside = () => document.getElementById("drawer-in");

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-drawer]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && drawer() && !document.querySelector("main #active")) {
      event.preventDefault();
      if (!drawer().open) drawer().showModal();
      htmx.ajax("GET", link.getAttribute("href"), { target: inside(), swap: "innerHTML" });
      return;
    }
    if (event.target.closest?.("[data-close-drawer]") || event.target === drawer()) drawer().close();
  });
  document.addEventListener("DOMContentLoaded", () => {
    // Closed, it asks no more; the browser gives the focus back to the link.
    drawer()?.addEventListener("close", () => inside().replaceChildren());
  });
})();
