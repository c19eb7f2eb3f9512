// A form's button counts only where it was pressed. htmx takes one that merely has the focus for pressed, so that whoever
// leaves a field by the tab key, onto "Remove", would remove what the field's own saving was to keep.
(() => {
  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, formData, triggeringEvent } = event.detail;
    if (elt.localName !== "form" || !triggeringEvent) return;
    const pressed = triggeringEvent.submitter;
    const others = [...elt.elements].filter((each) => each.type === "submit" && each !== pressed);
    for (const { name } of others) if (name && name !== pressed?.name) formData.delete(name);
    if (!pressed?.hasAttribute("formaction")) event.detail.path = elt.getAttribute(`hx-${event.detail.verb}`) ?? event.detail.path;
  });
})();
