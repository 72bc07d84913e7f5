// Shortcuts of every page, and the items opened last, which the search lists first.
import { openDialogs } from "./dialogs.js";
const [, kind, number] = /^\/(member|badge|batche?)s\/(\d+)$/.exec(location.pathname) ?? [];
if (number) {
  const item = `${kind.replace("batche", "batch")}-${number}`, before = /(?:^|; )recent=([^;]*)/.exec(document.cookie)?.[1].split(".") ?? [];
  document.cookie = `recent=${[item, ...before.filter((other) => other !== item)].slice(0, 6).join(".")}; path=/; samesite=lax`;
}
// The dialog is part of the page, so that no key pressed while it opens is lost.
function openSearch() {
  const place = document.getElementById("dialog");
  place.replaceChildren(document.getElementById("search-box").content.cloneNode(true));
  window.htmx.process(place);
  openDialogs();
}
document.addEventListener("click", (event) => {
  if (!event.target.closest("#find") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openSearch();
});
// `/` or Ctrl-K opens the search, `?` the list of shortcuts. In a dialog `/` goes to its own search field.
document.addEventListener("keydown", (event) => {
  const control = event.key === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (!control && (typing || !"/?".includes(event.key) || event.ctrlKey || event.metaKey || event.altKey)) return;
  const dialog = document.querySelector("dialog:modal"), field = dialog?.querySelector('input[type="search"]');
  if ((dialog && !field) || !document.getElementById("search-box")) return;
  event.preventDefault();
  if (field) field.select();
  else if (event.key === "?") document.getElementById("shortcuts").click();
  else openSearch();
});
