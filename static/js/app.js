// Going back replaces the body but keeps the modules: listeners go on `document`, and scan() must be repeatable.
import { announceProgress, gatherToasts, shareAwaited } from "./messages.js";
import { firstField, openDialogs } from "./dialogs.js";
import { showTimes } from "./times.js";
import "./combobox.js";
import "./picker.js";
import "./unsaved.js"; // after the modules that handle Escape, before those that mark a form as busy
import "./requests.js";
import "./fields.js";
import "./copy.js";
import "./search.js";
import "./selection.js";

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
document.cookie = `zone=${timeZone}; path=/; max-age=31536000; samesite=lax`; // for pages opened without a form

function scan() {
  showTimes();
  openDialogs();
  gatherToasts();
  announceProgress();
  shareAwaited();
  document.querySelectorAll("input[data-zone]").forEach((field) => (field.value = timeZone));
}

const inFront = () => document.querySelector("dialog:modal") ?? document;
// A group of fields is marked as a whole or only by its error message; in the second case use its first field.
function focusFirstInvalid() {
  const marked = inFront().querySelector('[aria-invalid="true"], .field:has(> .error:not([hidden]))');
  if (marked) (marked.matches("input, select, textarea") ? marked : firstField(marked))?.focus();
}
document.addEventListener("htmx:after:swap", (event) => {
  scan();
  if (event.detail.ctx?.response?.status === 422) focusFirstInvalid();
});

scan();
focusFirstInvalid();
setInterval(showTimes, 30_000);
