// Where an answer brings what is wrong with a field, or that nothing is, the field itself says so too.
(() => {
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    const notes = document.getElementById(event.detail.target.id);
    if (!notes?.matches(".notes")) return;
    for (const field of document.querySelectorAll(`[aria-describedby~=${JSON.stringify(notes.id)}]:not(fieldset)`)) {
      if (notes.childElementCount) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  });
})();
