// A dialog that came open becomes modal, once: the mark goes first, so that later swaps leave closed ones closed.
export function openDialogs(root) {
  for (const dialog of root.querySelectorAll("dialog[data-open]")) {
    dialog.removeAttribute("data-open");
    dialog.removeAttribute("open");
    dialog.tabIndex = -1;
    dialog.showModal();
    const first = dialog.querySelector("[autofocus]") ?? dialog.querySelector(":is(input, select, textarea):enabled:not([type=hidden])");
    (first ?? dialog).focus();
  }
}

// A dialog with an address of its own is left by its link, by Escape too.
document.addEventListener("cancel", (event) => {
  const leave = event.target.querySelector?.(":scope > header > a[data-close]");
  if (leave) event.preventDefault();
  leave?.click();
}, true);

// What `command` does by itself in newer browsers.
if (!("command" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[commandfor]");
    const dialog = document.getElementById(button?.getAttribute("commandfor"));
    if (button?.getAttribute("command") === "close") dialog?.close();
    if (button?.getAttribute("command") === "show-modal") dialog?.showModal();
  });
}
