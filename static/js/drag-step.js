// Moves a step by dragging it onto a "+": in the diagram by mouse, in the list by its grip; on a touch screen in both after
// a long press. The buttons of its form do the same.
(() => {
  const FAR_PX = 8;
  const LONG_MS = 350;
  const EDGE_PX = 70;
  let drag = null;

  const boxOf = (plus) => (plus.querySelector(".hit") ?? plus).getBoundingClientRect();
  const isOwn = (plus) => [...JSON.parse(plus.dataset.after), ...JSON.parse(plus.dataset.before)].some((entry) => entry.split(":")[0] === drag.step);
  const plusAt = (x, y) => {
    for (const plus of document.querySelectorAll("[data-after]")) {
      const box = boxOf(plus);
      if (box.width && x >= box.left && x <= box.right && y >= box.top && y <= box.bottom) return isOwn(plus) ? null : plus;
    }
    return null;
  };
  const end = () => {
    if (!drag) return;
    clearTimeout(drag.timer);
    drag.ghost?.remove();
    drag.from.classList.remove("dragged");
    drag.plus?.classList.remove("target");
    document.body.classList.remove("dragging");
    drag = null;
  };
  const follow = () => {
    drag.ghost.animate([{ transform: `translate(${drag.x + 12}px, ${drag.y + 8}px)` }], { fill: "forwards" });
    const plus = plusAt(drag.x, drag.y);
    if (plus === drag.plus) return;
    drag.plus?.classList.remove("target");
    plus?.classList.add("target");
    drag.plus = plus;
  };
  // held at an edge, what scrolls goes on scrolling
  const scroll = () => {
    if (!drag?.ghost) return;
    const area = drag.from.closest(".canvas");
    const box = area?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight, left: 0, right: innerWidth };
    const pull = (low, high, at) => (at < low + EDGE_PX ? -10 : at > high - EDGE_PX ? 10 : 0);
    const [dx, dy] = [area ? pull(box.left, box.right, drag.x) : 0, pull(box.top, box.bottom, drag.y)];
    if (dx || dy) {
      (area ?? window).scrollBy(dx, dy);
      follow();
    }
    requestAnimationFrame(scroll);
  };
  const lift = () => {
    drag.ghost = document.createElement("div");
    drag.ghost.className = "drag-ghost";
    drag.ghost.textContent = drag.from.dataset.name;
    document.body.append(drag.ghost);
    if (drag.isLong) navigator.vibrate?.(10);
    document.body.classList.add("dragging");
    drag.from.classList.add("dragged");
    follow();
    requestAnimationFrame(scroll);
  };

  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest || event.button !== 0 || !event.isPrimary) return;
    const isTouch = event.pointerType !== "mouse";
    const grip = event.target.closest("[data-grip]");
    const inList = event.target.closest("#builder-list [data-step]");
    const from = inList ?? event.target.closest(".flow a[data-step]");
    if (!from || (inList && !grip && (!isTouch || event.target.closest(".place, .err")))) return;
    drag = { from, step: from.dataset.step, startX: event.clientX, startY: event.clientY, x: event.clientX, y: event.clientY, inList: Boolean(inList), isLong: isTouch && !grip };
    if (drag.isLong) drag.timer = setTimeout(lift, LONG_MS);
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag || !event.isPrimary) return;
    [drag.x, drag.y] = [event.clientX, event.clientY];
    const isFar = Math.hypot(drag.x - drag.startX, drag.y - drag.startY) >= FAR_PX;
    if (drag.ghost) follow();
    else if (isFar && drag.isLong) end(); // it scrolls
    else if (isFar) lift();
  });
  document.addEventListener("pointerup", () => {
    if (!drag) return;
    const { step, plus, ghost, inList } = drag;
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
    const url = document.getElementById("builder-diagram").dataset.move.replace("/-/", `/${encodeURIComponent(step)}/`);
    const { revision } = document.getElementById("builder-head").dataset;
    const values = { revision, after: JSON.parse(plus.dataset.after), before: JSON.parse(plus.dataset.before) };
    if (inList) values.stay = "1";
    const move = () => htmx.ajax("POST", url, { source: "#builder-diagram", target: "#panel", values });
    if (document.dispatchEvent(new CustomEvent("greenlight:leave", { detail: move, cancelable: true }))) move();
  });
  document.addEventListener("pointercancel", end);
  document.addEventListener("touchmove", (event) => {
    if (drag?.ghost) event.preventDefault();
  }, { passive: false });
  document.addEventListener("contextmenu", (event) => {
    if (drag?.isLong) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end();
  });
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest?.(".flow a")) event.preventDefault();
  });
})();
