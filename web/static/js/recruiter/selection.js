// A form with candidates to tick (data-selection): counts the ticked ones, ticks all, and says when they are too many.
// Without this script the bar shows all the same (the style sheet's doing), and the server counts.

/** @param {HTMLFormElement} form */
function watch(form) {
  const most = Number(form.dataset.most);
  const boxes = /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll('input[name="candidate"]')]);
  const count = form.querySelector("[data-count]");
  const tooMany = /** @type {HTMLElement | null} */ (form.querySelector("[data-too-many]"));
  const send = /** @type {HTMLButtonElement | null} */ (form.querySelector("[data-send]"));
  const allLabel = /** @type {HTMLElement | null} */ (form.querySelector("[data-all]"));
  const all = /** @type {HTMLInputElement | null} */ (allLabel?.querySelector("input") ?? null);

  const show = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    if (count) count.textContent = `${chosen} selected`;
    if (tooMany) tooMany.hidden = chosen <= most;
    if (send) send.disabled = chosen > most;
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
  };

  if (allLabel) allLabel.hidden = false;
  all?.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    show();
  });
  form.addEventListener("change", show);
  // The browser fills in ticks from before when the page is shown again.
  addEventListener("pageshow", show);
  show();
}

for (const form of document.querySelectorAll("form[data-selection]")) {
  if (form instanceof HTMLFormElement) watch(form);
}
