// A refused form whose answers are kept takes the address that shows them: who comes back to it sends nothing again.
(() => {
  const refused = document.querySelector("form[data-address]");
  if (refused) history.replaceState(history.state, "", refused.dataset.address);
})();
