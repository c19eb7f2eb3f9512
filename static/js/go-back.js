// A link back to the page before takes the browser's own way there: what was typed into its form is still in it.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-back]");
  if (!link || history.length < 2 || document.referrer !== link.href) return;
  event.preventDefault();
  history.back();
});
