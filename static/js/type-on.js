// Typing goes on while a form of the builder saves itself: an answer draws nothing anew that was typed in since.
// A field that is left as it is for that is asked for with the next save. Where the whole form is drawn anew, what was
// typed since goes into its field there and is saved in its turn; so does what could not be saved, such as in a step that
// somebody deleted, when the same form is drawn again.
(() => {
  const OWN = "form.step-form[data-saves-itself]";
  const TEXT = "textarea, input:not([type=checkbox], [type=radio])";
  const typed = new Set(); // the fields typed in since the values were sent
  let sent = new FormData();
  let posted = []; // the fields that are on their way
  let carried = []; // what was typed since, on its way into the form that is drawn anew
  const placed = [];

  document.addEventListener("input", (event) => {
    const field = event.target.field ?? event.target; // of an editor: what is posted for it
    if (field.matches?.(TEXT) && field.form?.matches(OWN)) typed.add(field);
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt.matches(OWN) && event.detail.triggeringEvent?.type === "input") event.detail.formData.set("typing", "1");
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.detail.elt.matches(OWN)) return;
    posted = [...typed];
    typed.clear();
    sent = event.detail.requestConfig.formData;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.elt.matches(OWN)) return;
    if (!event.detail.successful || event.detail.xhr.status >= 400) for (const field of posted) typed.add(field);
    posted = [];
  });

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target } = event.detail;
    if (!target.matches(`${OWN} .field`) || ![...typed].some((field) => target.contains(field))) return;
    event.detail.shouldSwap = false;
    const anew = document.createElement("input");
    [anew.type, anew.name, anew.value] = ["hidden", "anew", target.id.replace(/^f-/, "")];
    document.getElementById("revision").append(anew);
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    carried = [];
    if (event.detail.target.id !== "panel") return;
    const isSaved = event.detail.requestConfig.elt.matches(OWN);
    for (const { name, value, defaultValue, isConnected, form } of typed) {
      if (!isConnected) continue;
      carried.push(isSaved ? { name, value, known: sent.get(name), within: OWN }
        : { name, value, known: defaultValue, within: `${OWN}[action="${form.getAttribute("action")}"]` });
    }
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const { name, value, known, within } of carried.splice(0)) {
      const field = document.querySelector(`${within} [name="${CSS.escape(name)}"]`);
      if (!field || field.value !== known || value === known) continue;
      field.value = value;
      placed.push(field);
    }
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const field of placed.splice(0)) field.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
