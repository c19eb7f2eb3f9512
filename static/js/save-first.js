// A form that saves itself a moment after a change: what leads away from it waits until that is saved.
// Where saving fails nothing is left, so that the answer is seen; pressing again leaves all the same, and the browser
// asks first where that is another page. What could not reach the server is saved as soon as something does. The
// builder's head says "Saved"; what takes long, or failed, is said there instead.
(() => {
  const OWN = "form[data-saves-itself]";
  const SLOW_MS = 400;
  const changed = new Set();
  const saving = new Set();
  const refused = new Set(); // their last saving failed
  const unreached = new Set(); // of these, because nobody answered for Greenlight
  let waiting = null; // what is done when all is saved
  let isSentAway = false; // by the server, to sign in: what was typed is kept
  let slow = 0;

  const any = (forms) => {
    for (const form of forms) if (!form.isConnected) forms.delete(form);
    return forms.size > 0;
  };
  const note = (event) => {
    const form = event.target.closest?.(OWN);
    if (form) changed.add(form);
  };
  document.addEventListener("input", note);
  document.addEventListener("change", note, true); // before the delay of its own saving begins

  const leadsAway = (target) => {
    const way = target.closest?.("a[href], button, summary");
    if (!way || way.target === "_blank" || way.localName === "summary") return null;
    if (way.localName === "a") return way.getAttribute("href").startsWith("#") ? null : way;
    return way.form && way.type === "submit" && !way.form.matches(OWN) ? way : null;
  };
  const said = (way) =>
    [way.localName, way.getAttribute("href") ?? way.form?.action, way.name, way.value, way.textContent.trim()].join(" ");
  // what was pressed may be drawn anew by the answer, so it is found again by what it says
  const pressing = (pressed) => {
    const [name, words] = [pressed.localName, said(pressed)];
    return () => {
      const ways = [...document.querySelectorAll(name)].filter((way) => way.checkVisibility());
      const way = pressed.isConnected ? pressed : ways.find((way) => said(way) === words);
      // a link of a drawing has no click() of its own
      way?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, view: window }));
    };
  };
  const say = (words) => {
    const place = document.querySelector("#builder-head .saved");
    if (place) place.textContent = words;
  };
  const isUnsaved = () => any(changed) || any(saving);
  const saveFirst = (go) => {
    waiting = go;
    if (saving.size === 0) for (const form of changed) form.requestSubmit();
  };

  document.addEventListener(
    "click",
    (event) => {
      if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const way = leadsAway(event.target);
      if (!way || !isUnsaved()) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      saveFirst(pressing(way));
    },
    true,
  );
  // What leads away without a press says so first; prevented, it is done later.
  document.addEventListener("greenlight:leave", (event) => {
    if (!isUnsaved()) return;
    event.preventDefault();
    saveFirst(event.detail);
  });

  // "Back" to another form of the builder loads its page: before htmx does that
  window.addEventListener(
    "popstate",
    (event) => {
      if (!isUnsaved()) return;
      event.stopImmediatePropagation();
      saveFirst(() => location.reload());
    },
    true,
  );

  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt;
    if (!form.matches(OWN)) return;
    changed.delete(form);
    saving.add(form);
    clearTimeout(slow);
    slow = setTimeout(say, SLOW_MS, "Saving…");
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    isSentAway ||= event.detail.xhr.getResponseHeader("HX-Redirect")?.startsWith("/sign-in") ?? false;
  });
  const saveAgain = () => {
    const forms = any(unreached) ? [...unreached] : [];
    unreached.clear();
    for (const form of forms) form.requestSubmit();
  };
  window.addEventListener("online", saveAgain);
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr } = event.detail;
    const successful = event.detail.successful && xhr.status < 400; // a form that came back with what is wrong is none
    if (saving.delete(elt)) {
      clearTimeout(slow);
      refused.delete(elt);
      unreached.delete(elt);
      if (!successful) {
        refused.add(elt);
        if (elt.matches(".step-form")) say("Not saved");
        if (!xhr.getResponseHeader("HX-Retarget") && (xhr.status === 0 || xhr.status > 500)) unreached.add(elt);
        waiting = null;
      }
    } else if (successful) saveAgain(); // of another, or of a form whose own answer put another in its place
    if (!waiting || any(saving)) return;
    if (any(changed)) {
      for (const each of changed) each.requestSubmit();
      return;
    }
    setTimeout(waiting); // when the answer is in its place
    waiting = null;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!isSentAway && (isUnsaved() || any(refused))) event.preventDefault();
  });
})();
