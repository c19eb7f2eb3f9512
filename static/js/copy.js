// Copies the text of what data-copy names, or what data-copy-from answers, and says so on the button and aloud.
// Where the browser lends no clipboard (a plain http address), the text is selected, or opened, for Ctrl+C.
(() => {
  const SHOWN_MS = 2500;
  const voice = document.createElement("p");
  voice.className = "vh";
  voice.setAttribute("role", "status");
  document.addEventListener("DOMContentLoaded", () => document.body.append(voice));

  const say = (button, said) => {
    const word = button.querySelector("[data-copy-word]");
    word.dataset.before ??= word.textContent;
    word.textContent = voice.textContent = said;
    clearTimeout(word.timer);
    word.timer = setTimeout(() => {
      word.textContent = word.dataset.before;
      voice.textContent = "";
    }, SHOWN_MS);
  };
  const ask = async (url) => {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(String(answer.status));
    return new Blob([(await answer.text()).trim()], { type: "text/plain" });
  };
  const select = (shown) => {
    const range = document.createRange();
    range.selectNodeContents(shown);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copyShown = async (button, shown) => {
    try {
      await navigator.clipboard.writeText(shown.innerText.trim());
      say(button, "Copied");
    } catch {
      select(shown);
      say(button, "Press Ctrl+C");
    }
  };
  const copyFrom = async (button, url) => {
    if (!navigator.clipboard) return location.assign(url);
    try {
      // the promise goes in, not its text: after a pause some browsers no longer know that somebody has pressed
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": ask(url) })]);
      say(button, "Copied");
    } catch {
      say(button, "Not copied");
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy], [data-copy-from]");
    if (!button) return;
    const { copy, copyFrom: url } = button.dataset;
    if (url) copyFrom(button, url);
    else copyShown(button, document.querySelector(copy));
  });
})();
