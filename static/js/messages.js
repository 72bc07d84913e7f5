// Messages: toasts, and announcements for screen readers.
const MARKS = [100, 75, 50, 25], announced = new Map();
let newest = null;
// Showing the popover again lifts it above dialogs opened since. Without new toasts, leave it alone.
export function gatherToasts() {
  const place = document.getElementById("toasts");
  if (newest === place.lastElementChild) return;
  newest = place.lastElementChild;
  place.hidePopover();
  place.togglePopover(newest !== null);
}

export function showError(text) {
  const place = document.getElementById("toasts");
  if ([...place.querySelectorAll("[data-text]")].some((said) => said.textContent === text)) return;
  const toast = document.getElementById("toast-error").content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-text]").textContent = text;
  place.append(toast);
  gatherToasts();
}

// Announce only milestones that are passed while the page is open, not at each poll or on load.
export function announceProgress() {
  const news = [];
  for (const { id, dataset } of document.querySelectorAll("[data-percent]")) {
    const now = Number(dataset.percent), before = announced.get(id);
    const mark = MARKS.find((mark) => before < mark && mark <= now);
    if (mark) news.push(`${dataset.subject}: ${mark}%`);
    announced.set(id, now);
  }
  if (news.length) document.getElementById("announcer").textContent = news.join(", ");
}

// Tell the other tabs when a batch is started or done here: the cookie that lists them is the same.
export function shareAwaited() {
  const awaited = document.getElementById("awaited-batches")?.dataset.awaited;
  if (awaited !== undefined) localStorage.setItem("awaited-batches", awaited);
}
window.addEventListener("storage", ({ key }) => key === "awaited-batches" && document.body.dispatchEvent(new Event("batch-started")));

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast")?.remove());
// A plain success fades out by an animation that pauses on hover (components.css).
document.addEventListener("animationend", ({ animationName, target }) => animationName === "leave" && target.remove());
