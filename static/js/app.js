// The start of all scripts. Back replaces the body while modules stay: listeners sit on `document`, and scan() may
// run over the same page any number of times.
import { announceProgress, gatherToasts } from "./messages.js";
import { openDialogs } from "./dialogs.js";
import { showTimes } from "./times.js";
import "./requests.js";
import "./upload.js";

function scan() {
  showTimes(document);
  openDialogs(document);
  gatherToasts();
  announceProgress(document);
  for (const field of document.querySelectorAll("input[data-zone]")) {
    field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
}

function focusFirstInvalid() {
  const within = document.querySelector("dialog:modal") ?? document.querySelector("main");
  within?.querySelector('[aria-invalid="true"]')?.focus();
}

document.addEventListener("htmx:after:swap", (event) => {
  scan();
  if (event.detail.ctx?.response?.status === 422) focusFirstInvalid();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = (document.querySelector("dialog:modal") ?? document).querySelector('input[type="search"]');
  if (search) {
    event.preventDefault();
    search.select();
    search.focus();
  }
});

scan();
focusFirstInvalid();
setInterval(() => showTimes(document), 30_000);
