// What was typed into a form that saves itself outlives the end of the session: kept in this tab while its person signs in,
// then put back and saved. It runs before the fields get their editors.
(() => {
  const OWN = "form.step-form[data-saves-itself]";
  const TEXT = "textarea[name], input[name]:not([type=hidden], [type=checkbox], [type=radio])";
  const key = () => `typed:${location.pathname}`;

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const form = document.querySelector(OWN); // a poll may learn of it before the form does
    if (!form || !event.detail.xhr.getResponseHeader("HX-Redirect")?.startsWith("/sign-in")) return;
    const typed = [...form.querySelectorAll(TEXT)].filter((field) => field.value !== field.defaultValue);
    sessionStorage.setItem(key(), JSON.stringify(typed.map(({ name, value }) => [name, value])));
  });
  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector(OWN);
    const kept = form && sessionStorage.getItem(key());
    if (!kept) return;
    sessionStorage.removeItem(key());
    let isOther = false;
    for (const [name, value] of JSON.parse(kept)) {
      const field = form.querySelector(`[name="${CSS.escape(name)}"]`);
      if (!field || field.value === value) continue;
      field.value = value;
      isOther = true;
    }
    if (isOther) setTimeout(() => form.requestSubmit()); // when it is ready to be sent
  });
})();
