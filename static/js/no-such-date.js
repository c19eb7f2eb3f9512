// A date that there is not (30 February), and half of one, leave a browser as nothing. Before anything is sent, its own
// words say so at the field. A form that saves itself goes on: it sends what the field had before, and says so there.
(() => {
  const OWN = "[data-saves-itself]";
  const had = new WeakMap(); // by field: its last whole value
  const isBad = (field) => field.validity?.badInput;
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      const field = [...form.elements].find(isBad);
      if (!field || form.matches(OWN)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      field.reportValidity();
    },
    true,
  );
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (!detail.elt.matches(`form${OWN}`)) return;
    for (const field of detail.elt.elements) {
      if (isBad(field)) detail.parameters[field.name] = had.get(field) ?? field.defaultValue;
      else if (field.name) had.set(field, field.value);
    }
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!detail.elt.matches(`form${OWN}`)) return;
    for (const field of [...detail.elt.elements].filter(isBad)) {
      const note = document.createElement("p");
      note.className = "err";
      note.textContent = field.validationMessage;
      document.getElementById(`${field.name}-notes`)?.replaceChildren(note);
      field.setAttribute("aria-invalid", "true");
    }
  });
})();
