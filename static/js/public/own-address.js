// A page that answers what was sent takes the address that shows it: who comes back to it sends nothing again.
(() => {
  const shown = document.querySelector("[data-address]");
  if (shown) history.replaceState(history.state, "", shown.dataset.address);
})();
