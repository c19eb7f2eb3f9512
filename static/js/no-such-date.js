// A date that there is not (30 February), and half of one, leave a browser as nothing: before anything is sent, its own
// words say so at the field. A form that saves itself goes on.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    const field = [...form.elements].find((each) => each.validity?.badInput);
    if (!field || form.matches("[data-saves-itself]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    field.reportValidity();
  },
  true,
);
