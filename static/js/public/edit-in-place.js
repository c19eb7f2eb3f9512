// Editing a text where it stands: what is typed shows at once; Done closes, Undo brings the old words back.
// Nothing is sent from here: the form's buttons do that.
(() => {
  const show = (field) => {
    const place = document.querySelector(`[data-shows="${field.id}"]`);
    if (!place) return;
    place.textContent = field.value;
    place.classList.add("typed");
  };

  const mark = (card, fields) => {
    const changed = fields.some((field) => field.value !== field.defaultValue);
    card.querySelector("[data-changed]").hidden = !changed;
  };

  const sharpen = (card) => {
    const picture = card.querySelector(".pic img");
    if (picture && matchMedia("(max-width: 767px)").matches) picture.src = picture.parentElement.href;
  };

  for (const details of document.querySelectorAll("[data-edit]")) {
    const card = details.closest("article");
    const fields = [...details.querySelectorAll("textarea")];
    const summary = details.querySelector("summary");
    details.querySelector("[data-edit-ends]").hidden = false;

    details.addEventListener("input", (event) => {
      show(event.target);
      mark(card, fields);
    });
    let pressed = false;
    summary.addEventListener("click", () => { pressed = true; });
    details.addEventListener("toggle", () => {
      if (!details.open) return;
      sharpen(card);
      if (pressed) fields[0].focus(); // not for one that the server sent open
      pressed = false;
    });
    details.querySelector("[data-edit-done]").addEventListener("click", () => {
      details.open = false;
      summary.focus();
    });
    details.querySelector("[data-edit-undo]").addEventListener("click", () => {
      for (const field of fields) {
        field.value = field.defaultValue;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
      details.open = false;
      summary.focus();
    });
  }
})();
