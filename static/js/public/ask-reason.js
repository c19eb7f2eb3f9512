// Reject asks why, in place; without script the server shows the same question. Nothing is sent from here.
(() => {
  for (const form of document.querySelectorAll("form[data-decision]")) {
    const reason = form.querySelector("[data-reason]");
    const bars = Object.fromEntries([...form.querySelectorAll("[data-bar]")].map((bar) => [bar.dataset.bar, bar]));
    const ask = (on) => {
      reason.hidden = !on;
      bars.decide.hidden = on;
      bars.reason.hidden = !on;
      if (on) {
        reason.querySelector("h2").focus({ preventScroll: true });
        reason.scrollIntoView({ block: "end" });
      } else {
        form.querySelector('[data-bar] button[value="reject"]').focus();
      }
    };
    form.addEventListener("click", (event) => {
      const button = event.target.closest('button[value="reject"], button[value="back"]');
      if (!button) return;
      event.preventDefault();
      if ("nothing" in button.dataset) return; // Enter in a field
      ask(button.value === "reject");
    });
  }
})();
