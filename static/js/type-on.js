// Typing goes on while a form of the builder saves itself: an answer draws nothing anew that was typed in since.
// A field that is left as it is for that is asked for with the next save. Where the whole form is drawn anew, what was
// typed since goes into its field there and is saved in its turn.
(() => {
  const OWN = "form.step-form[data-saves-itself]";
  const TEXT = "textarea, input:not([type=checkbox], [type=radio])";
  const typed = new Set(); // the fields typed in since the values were sent
  let sent = new FormData();
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
    typed.clear();
    sent = event.detail.requestConfig.formData;
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
    if (!event.detail.requestConfig.elt.matches(OWN) || event.detail.target.id !== "panel") return;
    for (const { name, value, isConnected } of typed) if (isConnected) carried.push({ name, value });
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const each of carried.splice(0)) {
      const field = document.querySelector(`${OWN} [name="${CSS.escape(each.name)}"]`);
      if (field?.value !== sent.get(each.name)) continue;
      field.value = each.value;
      placed.push(field);
    }
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const field of placed.splice(0)) field.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
