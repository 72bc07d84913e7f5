// Protects unsaved input: leaving a page or closing a dialog asks first if a form in it has changed and wasn't sent.
const QUESTION = "Discard what you entered?";
const IGNORED = "[type=hidden], [type=search], [type=password], [type=file], [name=upload_type], [name=by]";
let sent = false;

function changed(field) {
  if (!field.matches("input[name], textarea[name], select[name]") || field.matches(IGNORED)) return false;
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findLastIndex((one) => one.defaultSelected));
  return ["checkbox", "radio"].includes(field.type) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}
// Text in a form that the server returned with an error. The server marks other unsaved input itself.
const text = (field) => field.matches("input[name]:not([type=checkbox], [type=radio], [type=date]), textarea[name]") && !field.matches(IGNORED) && field.value;
function lost(form) {
  const fields = [...form.elements];
  return form.matches("[data-unsaved]") || fields.some(changed) || (form.querySelector("[aria-invalid=true]") && fields.some(text));
}
function unsaved(within, but) {
  return [...within.querySelectorAll(".shell form[method=post]:not(.selection), #dialog form[method=post]")].some((form) =>
    form !== but && !form.closest("dialog:not([open])") && lost(form));
}
const discards = (within, but) => !unsaved(within, but) || confirm(QUESTION);
const open = () => document.querySelector("dialog:modal");

window.addEventListener("beforeunload", (event) => !sent && unsaved(document) && event.preventDefault());
window.addEventListener("pageshow", () => (sent = false));
// By now htmx has prevented the default of its own forms. Sending one form leaves the page and discards another's input.
window.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (discards(document, event.target)) sent = true;
  else event.preventDefault();
});
document.addEventListener("htmx:before:response", ({ detail: { ctx } }) => {
  if (ctx.hx.redirect && ctx.request.method === "POST" && ["submit", "click"].includes(ctx.sourceEvent?.type)) sent = true;
});
// The server saved a form that stays on the page (header `HX-Trigger: saved`).
document.addEventListener("saved", ({ target }) => {
  const form = target.form ?? target.closest?.("form");
  form?.removeAttribute("data-unsaved");
  for (const field of form?.elements ?? []) {
    if (field.options) for (const one of field.options) one.defaultSelected = one.selected;
    else if (["checkbox", "radio"].includes(field.type)) field.defaultChecked = field.checked;
    else if ("defaultValue" in field) field.defaultValue = field.value;
  }
});
// A dialog without a URL of its own. One with a URL is left by a link, so the browser asks.
document.addEventListener("click", (event) => {
  const dialog = event.target.closest("[command=close]")?.closest("dialog");
  if (!dialog || discards(dialog)) return;
  event.preventDefault();
  event.stopPropagation();
}, true);
// The `cancel` event alone isn't enough: browsers skip it the second time.
document.addEventListener("keydown", (event) => {
  const dialog = event.key === "Escape" && !event.defaultPrevented && !event.isComposing && open();
  if (!dialog || !unsaved(dialog)) return;
  event.preventDefault();
  const leave = dialog.querySelector(":scope > header > a[data-close]");
  if (leave) leave.click();
  else if (confirm(QUESTION)) dialog.close();
});
document.addEventListener("cancel", (event) => {
  const dialog = event.target.closest?.("dialog");
  if (dialog && !dialog.querySelector(":scope > header > a[data-close]") && !discards(dialog)) event.preventDefault();
}, true);
