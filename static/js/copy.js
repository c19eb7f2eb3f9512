// Copies the text of what data-copy names, and says so on the button.
(() => {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const text = document.querySelector(button.dataset.copy)?.textContent.trim() ?? "";
    const word = button.querySelector("[data-copy-word]");
    const before = word.textContent;
    try {
      await navigator.clipboard.writeText(text);
      word.textContent = "Copied";
    } catch {
      word.textContent = "Press Ctrl+C";
      const range = document.createRange();
      range.selectNodeContents(document.querySelector(button.dataset.copy));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
    }
    setTimeout(() => (word.textContent = before), 2500);
  });
})();
