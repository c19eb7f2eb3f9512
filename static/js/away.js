// What was typed into a form outlives the end of the session: kept in this tab while its person signs in, then put back.
// A form that saves itself then saves it. It runs before the fields get their editors.
(() => {
  const KEY = "typed";
  const FORMS = "main form[method=post]";
  const LEFT_OUT = ["hidden", "file", "password", "submit", "button", "reset"];

  const fields = (form) => [...form.elements].filter((field) => field.name && field.type && !LEFT_OUT.includes(field.type));
  const isBox = (field) => ["checkbox", "radio"].includes(field.type);
  const isChanged = (field) => {
    if (isBox(field)) return field.checked !== field.defaultChecked;
    if (field.localName === "select") return [...field.options].some((option) => option.selected !== option.defaultSelected);
    return field.value !== field.defaultValue;
  };
  // a form that is not there when its page is loaded: what opens it, and which draft it was of
  const openedBy = (form) =>
    form.id === "pane" ? { opener: form.querySelector("[data-back]").dataset.back, revision: form.elements.revision.value } : {};
  const keep = (forms) => {
    const typed = forms.flatMap((form) =>
      fields(form)
        .filter(isChanged)
        .map(({ name, value, checked }) => ({ action: form.getAttribute("action"), name, value, checked, ...openedBy(form) })),
    );
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, typed }));
    } catch {
      sessionStorage.removeItem(KEY); // more than a tab may keep
    }
  };
  const putBack = (form, { name, value, checked }) => {
    const field = fields(form).find((each) => each.name === name && (!isBox(each) || each.value === value));
    if (!field || (isBox(field) ? field.checked === checked : field.value === value)) return null;
    if (isBox(field)) field.checked = checked;
    else field.value = value;
    return field;
  };
  const tell = (form, put) => {
    if (form.matches("[data-saves-itself]")) return form.requestSubmit();
    for (const field of put) {
      const details = field.closest("details");
      if (details) details.open = true;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };

  // Whether the session has ended shows in the answer: the next page is then the one to sign in.
  document.addEventListener("submit", (event) => {
    if (event.target.matches(FORMS) && !event.target.querySelector("[type=password]")) keep([event.target]);
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const isOver = event.detail.xhr.getResponseHeader("HX-Redirect")?.startsWith("/sign-in");
    if (isOver) keep([...document.querySelectorAll(FORMS)]); // a poll may learn of it before a form does
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (location.pathname === "/sign-in") return;
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    sessionStorage.removeItem(KEY);
    const came = document.referrer && new URL(document.referrer).pathname;
    if (kept?.path !== location.pathname || came !== "/sign-in") return;
    const putAllBack = (form, typed) => {
      const own = typed.filter(({ action }) => action === form.getAttribute("action"));
      const put = own.map((each) => putBack(form, each)).filter(Boolean);
      if (put.length) setTimeout(tell, 0, form, put); // when it is ready to be sent
    };
    const inPlace = kept.typed.filter(({ opener }) => !opener);
    for (const form of document.querySelectorAll(FORMS)) putAllBack(form, inPlace);
    const [opened] = kept.typed.filter(({ opener }) => opener);
    if (!opened) return;
    document.addEventListener("htmx:afterSettle", () => {
      const form = document.getElementById("pane");
      form.elements.revision.value = opened.revision; // what somebody saved meanwhile is not overwritten unseen
      putAllBack(form, [opened]);
    }, { once: true });
    setTimeout(() => document.querySelector(opened.opener).click());
  });
})();
