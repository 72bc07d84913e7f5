// The first editable field; in a group of radios, the checked one.
export function firstField(within) {
  const chosen = [...within.querySelectorAll("[type=radio]:checked")].map((one) => one.name);
  return [...within.querySelectorAll("summary.input, input, select, textarea")].find((one) =>
    one.checkVisibility() && !one.disabled && !one.readOnly && (one.type !== "radio" || one.checked || !chosen.includes(one.name)));
}
// Make a newly inserted dialog modal, once. The marker is removed first, so that later swaps don't reopen closed ones.
export function openDialogs() {
  for (const dialog of document.querySelectorAll("dialog[data-open]")) {
    for (const mark of ["data-open", "open"]) dialog.removeAttribute(mark);
    dialog.tabIndex = -1;
    dialog.showModal();
    (dialog.querySelector("[autofocus]") ?? firstField(dialog) ?? dialog).focus();
  }
}
// A dialog with a URL of its own closes by following its link, also on Escape.
document.addEventListener("cancel", (event) => {
  const leave = event.target.querySelector?.(":scope > header > a[data-close]");
  if (leave) event.preventDefault();
  leave?.click();
}, true);
// The server closes a dialog by the header `HX-Trigger: dialog-close`. Focus returns to where it was.
document.addEventListener("dialog-close", () => {
  const dialog = document.querySelector("dialog:modal"), at = () => document.activeElement;
  dialog?.close();
  if (at() === document.body || dialog?.contains(at())) document.getElementById("main").focus(); // the opener is gone
});
// What `command` does natively in newer browsers.
document.addEventListener("click", (event) => {
  const button = "command" in HTMLButtonElement.prototype ? null : event.target.closest("button[commandfor]");
  const dialog = document.getElementById(button?.getAttribute("commandfor"));
  if (dialog) dialog[button.getAttribute("command") === "close" ? "close" : "showModal"]();
});
