// Moves a step of the builder's diagram by dragging it onto a "+". The buttons of its form do the same.
(() => {
  const FAR_PX = 8;
  let drag = null;

  const plusAt = (x, y) => {
    for (const plus of document.querySelectorAll(".flow .plus")) {
      const box = plus.querySelector(".hit").getBoundingClientRect();
      if (x >= box.left && x <= box.right && y >= box.top && y <= box.bottom) return plus;
    }
    return null;
  };
  const end = () => {
    drag?.ghost?.remove();
    drag?.link.classList.remove("dragged");
    drag?.plus?.classList.remove("target");
    drag = null;
  };

  document.addEventListener("pointerdown", (event) => {
    const link = event.target.closest?.(".flow a[data-step]");
    if (link && event.button === 0 && event.pointerType === "mouse") drag = { link, x: event.clientX, y: event.clientY };
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!drag.ghost) {
      if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < FAR_PX) return;
      drag.ghost = document.createElement("div");
      drag.ghost.className = "drag-ghost";
      drag.ghost.textContent = drag.link.querySelector(".t").textContent;
      document.body.append(drag.ghost);
      drag.link.classList.add("dragged");
    }
    drag.ghost.animate([{ transform: `translate(${event.clientX + 12}px, ${event.clientY + 8}px)` }], { fill: "forwards" });
    const plus = plusAt(event.clientX, event.clientY);
    if (plus !== drag.plus) {
      drag.plus?.classList.remove("target");
      plus?.classList.add("target");
      drag.plus = plus;
    }
  });
  document.addEventListener("pointerup", () => {
    if (!drag) return;
    const { link, plus, ghost } = drag;
    end();
    if (!ghost) return;
    // the click that follows a drag opens nothing
    const swallow = (click) => {
      click.preventDefault();
      click.stopImmediatePropagation();
    };
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 100);
    if (!plus) return;
    const diagram = document.getElementById("builder-diagram");
    const url = diagram.dataset.move.replace("/-/", `/${encodeURIComponent(link.dataset.step)}/`);
    const values = { after: JSON.parse(plus.dataset.after), before: JSON.parse(plus.dataset.before) };
    htmx.ajax("POST", url, { source: link, target: "#panel", values });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end();
  });
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest?.(".flow a")) event.preventDefault();
  });
})();
