// Says how many characters a text has while it is typed; the server has the last word.
(() => {
  for (const field of document.querySelectorAll("textarea[data-limit]")) {
    const line = document.getElementById(`${field.id}-count`);
    const limit = Number(field.dataset.limit);
    const count = () => {
      const length = [...field.value].length;
      line.textContent = length > limit
        ? `${length} of ${limit} characters: take out ${length - limit}`
        : `${length} of ${limit} characters`;
      line.classList.toggle("over", length > limit);
    };
    field.addEventListener("input", count);
    count();
  }
})();
