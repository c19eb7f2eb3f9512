// A region that a poll brings anew keeps what the reader did with it: what was opened or closed stays so,
// and a region that says the same as before is left alone, but for one that says each time that something was done.
(() => {
  const plain = (element) => {
    const copy = element.cloneNode(true);
    for (const each of [copy, ...copy.querySelectorAll("[open], [hx-swap-oob], [data-since]")]) {
      each.removeAttribute("open");
      each.removeAttribute("hx-swap-oob");
      if (each.hasAttribute("data-since")) each.textContent = "";
    }
    return copy.innerHTML.replace(/\s+/g, " ") + (copy.dataset.status ?? "") + copy.className + (copy.getAttribute("hx-get") ?? "");
  };
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    const fresh = fragment.firstElementChild;
    if (!fresh || fresh.id !== target.id) {
      // what is put inside: a sentence that is read aloud is set only when it says something new
      const isSame = fragment.textContent.trim() === target.textContent.trim();
      if (isSame && !("each" in target.dataset)) event.detail.shouldSwap = false;
      return;
    }
    if (plain(fresh) === plain(target)) {
      event.detail.shouldSwap = false;
      return;
    }
    for (const details of [target, ...target.querySelectorAll("details[id]")]) {
      if (details.tagName !== "DETAILS") continue;
      const same = details === target ? fresh : fragment.querySelector(`#${CSS.escape(details.id)}`);
      if (same && (details.open || details.dataset.touched)) same.open = details.open;
      if (same && details.dataset.touched) same.dataset.touched = "1";
    }
  });
  document.addEventListener("click", (event) => {
    const details = event.target.closest?.("summary")?.parentElement;
    if (details) details.dataset.touched = "1";
  });
})();
