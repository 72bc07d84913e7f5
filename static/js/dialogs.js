// The first field that can be filled in; of radios that exclude each other, the one that is chosen.
export function firstField(within) {
  const chosen = [...within.querySelectorAll("[type=radio]:checked")].map((one) => one.name);
  return [...within.querySelectorAll("summary.input, input, select, textarea")].find((one) =>
    one.checkVisibility() && !one.disabled && !one.readOnly && (one.type !== "radio" || one.checked || !chosen.includes(one.name)));
}
// A dialog that came open becomes modal, once: the mark goes first, so that later swaps leave closed ones closed.
export function openDialogs() {
  for (const dialog of document.querySelectorAll("dialog[data-open]")) {
    for (const mark of ["data-open", "open"]) dialog.removeAttribute(mark);
    dialog.tabIndex = -1;
    dialog.showModal();
    (dialog.querySelector("[autofocus]") ?? firstField(dialog) ?? dialog).focus();
  }
}
// A dialog with an address of its own is left by its link, by Escape too.
document.addEventListener("cancel", (event) => {
  const leave = event.target.querySelector?.(":scope > header > a[data-close]");
  if (leave) event.preventDefault();
  leave?.click();
}, true);
// The server closes one by the header `HX-Trigger: dialog-close`; the focus goes back to where it was.
document.addEventListener("dialog-close", () => {
  const dialog = document.querySelector("dialog:modal"), at = () => document.activeElement;
  dialog?.close();
  if (at() === document.body || dialog?.contains(at())) document.getElementById("main").focus(); // what opened it is gone
});
// What `command` does by itself in newer browsers.
document.addEventListener("click", (event) => {
  const button = "command" in HTMLButtonElement.prototype ? null : event.target.closest("button[commandfor]");
  const dialog = document.getElementById(button?.getAttribute("commandfor"));
  if (dialog) dialog[button.getAttribute("command") === "close" ? "close" : "showModal"]();
});
