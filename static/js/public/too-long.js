// A text far longer than its field keeps is not put in: a browser lays out every letter of it, and stands still meanwhile.
// Whoever pastes or drops it is told how much the field keeps; what stands there stays.
(() => {
  const PLENTY = 100_000; // so much goes in all the same: who pastes a little too much can shorten it there
  const KEPT = 256 * 1024; // as much as a whole workflow: where the field does not say less or more
  const number = new Intl.NumberFormat("en-US");
  const nameOf = (field) => field.getAttribute("aria-label") ?? field.labels[0]?.firstChild.textContent.trim() ?? "This field";
  const say = (field, editor, said) => {
    const id = `${field.id}-too-long`;
    document.getElementById(id)?.remove();
    if (!said) return;
    const note = document.createElement("p");
    Object.assign(note, { id, className: "err", textContent: said });
    note.setAttribute("role", "alert");
    editor.before(note);
  };
  document.addEventListener("beforeinput", (event) => {
    const editor = event.target;
    const field = editor.field ?? editor; // of an editor: what is posted for it
    if (!("value" in field)) return;
    const put = event.data ?? event.dataTransfer?.getData("text/plain") ?? "";
    const most = field.maxLength > 0 ? field.maxLength : KEPT;
    const kept = Number(field.dataset.longest ?? field.dataset.limit ?? most);
    const replaced = editor === field ? field.selectionEnd - field.selectionStart : getSelection().toString().length;
    const length = field.value.length + put.length - replaced;
    const isTooLong = put.length > 1 && length > Math.max(kept, PLENTY);
    if (isTooLong) event.preventDefault();
    const said = `“${nameOf(field)}” keeps at most ${number.format(kept)} characters. With what you put in it would have ${number.format(length)}, so that was left out.`;
    say(field, editor, isTooLong ? said : "");
  });
})();
