// More than can be sent at once is said as soon as the files are chosen, by name, and stays here: nothing typed is lost.
(() => {
  const ROOM = 256 * 1024; // for what goes along with the files
  const mb = (bytes) => `${(Math.ceil((bytes / 2 ** 20) * 10) / 10).toLocaleString("en")}\u00a0MB`;
  const fault = (field) => {
    const files = [...field.form.querySelectorAll("input[type=file]")].flatMap((each) => [...each.files]);
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    const most = Number(field.dataset.most);
    if (!field.files.length || bytes + ROOM <= most) return "";
    const [largest, ...others] = files.sort((one, other) => other.size - one.size);
    const named = `“${largest.name}”${others.length ? ` and ${others.length} more have` : " has"} ${mb(bytes)}`;
    return `${named}. At most ${mb(most)} can be sent at once: choose ${others.length ? "fewer files, or " : ""}a smaller one.`;
  };
  const say = (field) => {
    const said = fault(field);
    const id = `${field.id}-too-big`;
    document.getElementById(id)?.remove();
    field.toggleAttribute("data-too-big", said !== "");
    if (!said) return field.removeAttribute("aria-invalid");
    const note = document.createElement("p");
    Object.assign(note, { id, className: "err", textContent: said });
    note.setAttribute("role", "alert");
    field.before(note);
    field.setAttribute("aria-invalid", "true");
  };
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("input[type=file][data-most]")) return;
    target.form.querySelectorAll("input[type=file][data-most]").forEach(say);
  });
  document.addEventListener(
    "submit",
    (event) => {
      const field = event.target.querySelector("[data-too-big]");
      if (!field) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      field.focus();
    },
    true,
  );
})();
