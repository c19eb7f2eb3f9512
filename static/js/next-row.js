// Enter in one row of a list goes on to the next row; to the new one as soon as the answer has brought it.
(() => {
  let wanted = "";
  const goOn = () => {
    const next = wanted && (document.getElementById(`${wanted}-editor`) ?? document.getElementById(wanted));
    if (!next) return;
    wanted = "";
    next.focus();
  };
  document.addEventListener("keydown", (event) => {
    wanted = "";
    if (event.key !== "Enter" || event.isComposing) return;
    const field = event.target.field ?? event.target; // of an editor: what is posted for it
    const [, list, number] = (field.closest?.(".set-rows") && field.value && field.id.match(/^(.+-)(\d+)$/)) || [];
    if (!list) return;
    wanted = `${list}${Number(number) + 1}`;
    setTimeout(goOn);
  });
  document.addEventListener("pointerdown", () => {
    wanted = "";
  });
  document.addEventListener("htmx:afterSettle", () => setTimeout(goOn)); // after whoever restores the focus
})();
