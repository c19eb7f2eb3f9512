// Lets "1 min 52 s so far" go on between two answers of the server.
(() => {
  const say = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 1) return "under 1\u00a0s";
    const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
    const first = parts.findIndex(([amount]) => amount);
    return parts.slice(first, first + 2).filter(([amount]) => amount).map(([amount, unit]) => `${amount}\u00a0${unit}`).join(" ");
  };
  setInterval(() => {
    for (const element of document.querySelectorAll("[data-since]")) {
      element.textContent = say((Date.now() - Date.parse(element.dataset.since)) / 1000);
    }
  }, 1000);
})();
