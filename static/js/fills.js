// What an answer of the server says of other fields stands in those that are empty; what was typed is never changed.
document.addEventListener("htmx:oobAfterSwap", (event) => {
  const filled = [];
  for (const fact of event.detail.target.querySelectorAll("[data-fills]")) {
    const field = document.getElementById(fact.dataset.fills);
    fact.remove();
    if (!field || field.value.trim()) continue;
    field.value = fact.value;
    filled.push(field);
  }
  filled[0]?.dispatchEvent(new Event("input", { bubbles: true }));
});
