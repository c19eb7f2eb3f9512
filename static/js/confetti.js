// Confetti, once, when a run becomes ready while it is watched; none for those who asked for less motion.
(() => {
  const KEY = "greenlight-confetti";
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  const isNew = (run) => {
    try {
      if (sessionStorage.getItem(KEY) === run) return false;
      sessionStorage.setItem(KEY, run);
    } catch {
      // no storage: once a load is enough
    }
    return true;
  };
  const celebrate = (live) => {
    if (live?.dataset.status !== "completed" || !live.dataset.fresh || calm.matches || !isNew(live.dataset.fresh)) return;
    const canvas = document.createElement("canvas");
    canvas.className = "confetti";
    canvas.setAttribute("aria-hidden", "true");
    canvas.width = innerWidth;
    canvas.height = innerHeight;
    document.body.append(canvas);
    const brush = canvas.getContext("2d");
    const colours = ["--accent", "--run", "--wait", "--care"].map((name) => getComputedStyle(document.documentElement).getPropertyValue(name));
    const probe = document.createElement("span");
    document.body.append(probe);
    const painted = colours.map((colour) => {
      probe.style.color = colour;
      return getComputedStyle(probe).color;
    });
    probe.remove();
    const bits = Array.from({ length: 110 }, (_, index) => ({
      x: innerWidth * (0.15 + 0.7 * Math.random()), y: -20 - 120 * Math.random(), turn: Math.random() * 6,
      across: -1 + 2 * Math.random(), down: 2.2 + 2.6 * Math.random(), size: 6 + 5 * Math.random(), colour: painted[index % painted.length],
    }));
    const start = performance.now();
    const draw = (now) => {
      const age = (now - start) / 2600;
      brush.clearRect(0, 0, canvas.width, canvas.height);
      brush.globalAlpha = Math.max(0, Math.min(1, 2 - 2 * age));
      for (const bit of bits) {
        bit.x += bit.across;
        bit.y += bit.down;
        bit.turn += 0.08;
        brush.save();
        brush.translate(bit.x, bit.y);
        brush.rotate(bit.turn);
        brush.fillStyle = bit.colour;
        brush.fillRect(-bit.size / 2, -bit.size / 4, bit.size, bit.size / 2);
        brush.restore();
      }
      if (age < 1) requestAnimationFrame(draw);
      else canvas.remove();
    };
    requestAnimationFrame(draw);
  };
  const look = () => celebrate(document.getElementById("run-live"));
  document.addEventListener("DOMContentLoaded", look);
  document.addEventListener("htmx:oobAfterSwap", look);
})();
