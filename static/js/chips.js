// Shows values in a text as chips, and puts them in from a list: {{ … }} is what is stored, nobody types it.
// The field stays what is posted; beside it stands what is edited. Without script the field itself is edited.
(() => {
  const VALUE = /\{\{[\s\S]*?\}\}/g;

  const known = (field) => [...(field.closest(".panel")?.querySelectorAll("[data-value]") ?? [])];
  const words = (text) => text.replace(/^\{\{\s*|\s*\}\}$/g, "").replace(/^(inputs|steps|run)\./, "").replaceAll(/[._]/g, " ");

  const chip = (field, text) => {
    const found = known(field).find((each) => each.dataset.value === text || each.dataset.inText === text);
    const element = document.createElement("span");
    element.className = `chipv${found?.dataset.kind === "result" || /^\{\{\s*steps/.test(text) ? " prev" : ""}`;
    element.contentEditable = "false";
    element.dataset.text = text;
    element.title = text;
    element.textContent = found ? found.querySelector(".chipv").textContent : words(text);
    return element;
  };

  const draw = (field, editor) => {
    const parts = [];
    let last = 0;
    for (const match of field.value.matchAll(VALUE)) {
      parts.push(document.createTextNode(field.value.slice(last, match.index)), chip(field, match[0]));
      last = match.index + match[0].length;
    }
    parts.push(document.createTextNode(field.value.slice(last)));
    editor.replaceChildren(...parts.filter((part) => part.nodeType !== 3 || part.data));
  };

  const read = (node) => {
    let text = "";
    for (const child of node.childNodes) {
      if (child.nodeType === 3) text += child.data;
      else if (child.dataset?.text) text += child.dataset.text;
      else if (child.nodeName === "BR") text += "\n";
      else text += (text && /^(DIV|P)$/.test(child.nodeName) ? "\n" : "") + read(child);
    }
    return text;
  };

  const put = (editor, text) => {
    const selection = getSelection();
    const element = chip(editor.field, text);
    if (editor.last && editor.contains(editor.last.startContainer)) {
      editor.last.deleteContents();
      editor.last.insertNode(element);
    } else editor.append(element);
    editor.focus();
    selection.collapse(element.parentNode, [...element.parentNode.childNodes].indexOf(element) + 1);
    editor.dispatchEvent(new Event("input", { bubbles: true }));
  };

  // the tab key leads to where the caret was, or to the end: a browser would put it before the first letter
  let isTabbed = false;
  document.addEventListener("keydown", (event) => (isTabbed = event.key === "Tab"), true);
  document.addEventListener("pointerdown", () => (isTabbed = false), true);
  const goBack = (editor) => {
    const selection = getSelection();
    if (editor.last && editor.contains(editor.last.startContainer)) {
      selection.removeAllRanges();
      selection.addRange(editor.last);
      return;
    }
    selection.selectAllChildren(editor);
    selection.collapseToEnd();
  };

  // where the caret was, in characters: an emoji is one, as where the text is changed
  const placeOf = (editor) => {
    if (!editor.last || !editor.contains(editor.last.startContainer)) return [...editor.field.value].length;
    const before = document.createRange();
    before.selectNodeContents(editor);
    before.setEnd(editor.last.startContainer, editor.last.startOffset);
    return [...read(before.cloneContents())].length;
  };

  const menu = (editor, button) => {
    const list = document.createElement("div");
    list.className = "menu-values";
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", "Values");
    const { needs } = editor.field.dataset;
    const fits = (each) => !each.hidden && !(needs && each.hasAttribute(`data-no-${needs}`));
    for (const each of known(editor.field).filter(fits)) {
      const line = document.createElement("button");
      line.type = "button";
      line.append(each.querySelector(".chipv").cloneNode(true));
      line.addEventListener("click", () => {
        close();
        put(editor, (editor.field.dataset.chips === "text" && each.dataset.inText) || each.dataset.value);
        save(editor);
      });
      list.append(line);
    }
    if (document.getElementById("ask")) {
      const line = document.createElement("button");
      line.type = "button";
      line.className = "asks";
      line.textContent = "Ask a new question…";
      line.addEventListener("click", () => {
        close();
        const { field } = editor;
        const detail = { into: field.name, at: placeOf(editor), place: field.closest(".field") };
        button.dataset.asks = { number: "number", list: "documents", yes_no: "boolean" }[needs] ?? "text";
        button.dispatchEvent(new CustomEvent("greenlight:ask", { bubbles: true, detail }));
      });
      list.append(line);
    }
    let isOpen = true;
    const close = () => {
      if (!isOpen) return; // taking away what has the focus asks to close once more
      isOpen = false;
      list.remove();
      button.setAttribute("aria-expanded", "false");
    };
    list.close = close;
    list.addEventListener("keydown", (event) => {
      const lines = [...list.children];
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        lines[(lines.indexOf(document.activeElement) + step + lines.length) % lines.length].focus();
      }
      if (event.key === "Escape") {
        close();
        button.focus();
      }
    });
    list.addEventListener("focusout", (event) => {
      if (!list.contains(event.relatedTarget) && event.relatedTarget !== button) close();
    });
    button.after(list);
    button.setAttribute("aria-expanded", "true");
    list.firstElementChild?.focus();
  };

  const save = (editor) => {
    if (editor.field.value === editor.saved) return;
    editor.saved = editor.field.value;
    editor.field.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const enhance = (field) => {
    if (field.dataset.chipped || !known(field).length) return;
    field.dataset.chipped = "1";
    const editor = document.createElement("div");
    editor.field = field;
    editor.saved = field.value;
    const isLong = field.nodeName === "TEXTAREA";
    editor.className = `editor${field.rows > 2 ? " tall" : ""}`;
    editor.id = `${field.id}-editor`;
    editor.contentEditable = "plaintext-only";
    if (editor.contentEditable !== "plaintext-only") editor.contentEditable = "true";
    editor.setAttribute("role", "textbox");
    if (isLong) editor.setAttribute("aria-multiline", "true");
    const label = document.getElementById(`${field.name}-label`);
    if (field.getAttribute("aria-label")) editor.setAttribute("aria-label", field.getAttribute("aria-label"));
    else if (label) editor.setAttribute("aria-labelledby", label.id);
    if (field.getAttribute("aria-invalid")) editor.setAttribute("aria-invalid", "true");
    if (field.getAttribute("aria-describedby")) editor.setAttribute("aria-describedby", field.getAttribute("aria-describedby"));
    editor.tabIndex = 0;
    draw(field, editor);
    editor.addEventListener("input", () => {
      field.value = read(editor);
    });
    editor.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      if (isLong) {
        event.preventDefault();
        document.execCommand("insertText", false, "\n");
      } else {
        event.preventDefault();
        save(editor);
      }
    });
    editor.addEventListener("blur", () => {
      const selection = getSelection();
      editor.last = selection.rangeCount && editor.contains(selection.anchorNode) ? selection.getRangeAt(0).cloneRange() : null;
      if ([...editor.childNodes].some((node) => node.nodeType === 3 && node.data.includes("{{"))) {
        const place = placeIn(editor); // what is drawn anew takes the place in it along
        draw(field, editor);
        editor.last &&= spot(editor, place);
      }
      save(editor);
    });
    label?.addEventListener("click", (event) => {
      event.preventDefault();
      editor.focus();
    });
    editor.addEventListener("focus", () => {
      if (isTabbed) goBack(editor);
    });
    field.hidden = true;
    field.after(editor);
    const bar = document.createElement("div");
    bar.className = "editor-bar";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm";
    button.textContent = "Insert a value";
    button.setAttribute("aria-label", `Insert a value: ${field.getAttribute("aria-label") ?? label?.textContent.trim() ?? ""}`);
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const open = bar.querySelector(".menu-values");
      if (open) open.close();
      else menu(editor, button);
    });
    bar.append(button);
    if (isLong && field.rows > 1) editor.after(bar);
    else editor.addEventListener("focus", () => editor.after(bar), { once: true });
    if (field.hasAttribute("data-focus")) {
      editor.focus();
      getSelection().selectAllChildren(editor);
      getSelection().collapseToEnd();
    }
  };

  const enhanceAll = (root) => {
    for (const field of root.querySelectorAll?.("[data-chips]") ?? []) enhance(field);
  };
  // a field that is shown anew keeps the focus and the place in the text that it had
  const placeIn = (editor) => {
    const selection = getSelection();
    if (!selection.rangeCount || !editor.contains(selection.focusNode)) return 0;
    const before = document.createRange();
    before.selectNodeContents(editor);
    before.setEnd(selection.focusNode, selection.focusOffset);
    return read(before.cloneContents()).length;
  };
  const spot = (editor, place) => {
    const range = document.createRange();
    range.selectNodeContents(editor);
    range.collapse(false);
    let left = place;
    for (const node of editor.childNodes) {
      const length = node.nodeType === 3 ? node.data.length : (node.dataset?.text ?? "\n").length;
      if (node.nodeType === 3 && left <= length) {
        range.setStart(node, left);
        range.collapse(true);
        break;
      }
      if (left < length) break;
      left -= length;
    }
    return range;
  };
  const goTo = (editor, place) => {
    getSelection().removeAllRanges();
    getSelection().addRange(spot(editor, place));
  };
  let focused = null;
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const active = document.activeElement;
    if (!active?.id || !event.detail.target.matches?.(".field") || !event.detail.target.contains(active)) return;
    focused = { id: active.id, place: active.field ? placeIn(active) : 0 };
  });
  document.addEventListener("htmx:afterSettle", () => {
    const again = focused && document.activeElement === document.body ? document.getElementById(focused.id) : null;
    again?.focus();
    if (again?.field) goTo(again, focused.place);
    focused = null;
  });
  document.addEventListener("DOMContentLoaded", () => enhanceAll(document));
  document.addEventListener("htmx:load", (event) => enhanceAll(event.detail.elt.closest?.(".panel") ?? event.detail.elt));
})();
