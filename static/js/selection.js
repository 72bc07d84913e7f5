// Rows with checkboxes: one checkbox for all of them, and their number.
const rows = (form) => [...form.elements].filter((field) => field.matches("[data-pick]:not(:disabled)"));
function count(form) {
  const all = rows(form), picked = all.filter((field) => field.checked).length;
  const head = [...form.elements].find((field) => field.matches("[data-pick-all]"));
  head.checked = picked > 0 && picked === all.length;
  head.indeterminate = picked > 0 && picked < all.length;
  form.querySelector("[data-picked]").textContent = `${picked.toLocaleString("en")} selected`;
}

document.addEventListener("change", ({ target }) => {
  const form = target.matches("[data-pick], [data-pick-all]") && target.form;
  if (!form) return;
  if (target.matches("[data-pick-all]")) rows(form).forEach((field) => (field.checked = target.checked));
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
