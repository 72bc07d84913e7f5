// Rows with checkboxes: one checkbox for all on the page, one for all that match, and their number.
const fields = (form, kind) => [...form.elements].filter((field) => field.matches(`${kind}:not(:disabled)`));
function count(form) {
  const all = fields(form, "[data-pick]"), picked = all.filter((field) => field.checked).length;
  const [head] = fields(form, "[data-pick-all]"), [rest] = fields(form, "[data-pick-total]");
  head.checked = picked > 0 && picked === all.length;
  head.indeterminate = picked > 0 && picked < all.length;
  form.querySelector("[data-picked]").textContent = `${rest?.checked ? rest.dataset.pickTotal : picked} selected`;
}

document.addEventListener("change", ({ target }) => {
  const form = target.matches("[data-pick], [data-pick-all], [data-pick-total]") && target.form;
  if (!form) return;
  const [rest] = fields(form, "[data-pick-total]");
  if (!target.matches("[data-pick]")) fields(form, "[data-pick]").forEach((field) => (field.checked = target.checked));
  if (target !== rest && !target.checked && rest) rest.checked = false;
  count(form);
});
// A morph may keep a checkbox for another row, and going back restores checked ones.
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const form = ctx?.target?.querySelector?.("form.selection");
  if (!form) return;
  form.reset();
  count(form);
});
window.addEventListener("pageshow", () => document.querySelectorAll("form.selection").forEach(count));
