// Messages: toasts above everything, and what screen readers hear.
const STAY = 8000, MARKS = [100, 75, 50, 25];
const leaving = new WeakSet();
const heard = new Map();

// Showing the popover again lifts it over a dialog that was opened since.
export function gatherToasts() {
  const place = document.getElementById("toasts");
  if (!place) return;
  if (place.matches(":popover-open")) place.hidePopover();
  if (place.children.length) place.showPopover();
  for (const toast of place.querySelectorAll(".toast.success")) {
    if (leaving.has(toast) || toast.querySelector("a, form, button:not([data-dismiss])")) continue;
    leaving.add(toast);
    const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, STAY) : toast.remove());
    setTimeout(leave, STAY);
  }
}

export function showError(text) {
  const place = document.getElementById("toasts"), pattern = document.getElementById("toast-error");
  if (!pattern || [...place.querySelectorAll("[data-text]")].some((said) => said.textContent === text)) return;
  const toast = pattern.content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-text]").textContent = text;
  place.append(toast);
  gatherToasts();
}

// Only a mark that is passed while looking is said: not at each poll, and nothing when a page opens.
export function announceProgress(root) {
  const news = [];
  for (const element of root.querySelectorAll("[data-percent]")) {
    const now = Number(element.dataset.percent), before = heard.get(element.id);
    heard.set(element.id, now);
    const mark = MARKS.find((mark) => before < mark && mark <= now);
    if (mark) news.push(`${element.dataset.subject}: ${mark} %`);
  }
  if (news.length) document.getElementById("announcer").textContent = news.join(", ");
}

document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".toast")?.remove();
});
