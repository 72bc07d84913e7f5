// <time datetime> in the viewer's zone and words: relative while that helps, else the day; exactly on hover.
const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const form = (options) => new Intl.DateTimeFormat("en-GB", options);
const clock = form({ hour: "2-digit", minute: "2-digit" });
const day = form({ day: "numeric", month: "short" });
const date = form({ day: "numeric", month: "short", year: "numeric" });
const exact = form({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const full = form({ dateStyle: "full", timeStyle: "long" });
const distance = new Intl.RelativeTimeFormat("en-GB", { style: "short" });

export function inWords(at, now = new Date()) {
  const away = at - now, size = Math.abs(away);
  if (size < 45_000) return "just now";
  if (size < HOUR) return distance.format(Math.round(away / MINUTE) || Math.sign(away), "minute");
  const midnights = Math.round((new Date(at).setHours(0, 0, 0, 0) - new Date(now).setHours(0, 0, 0, 0)) / DAY);
  const name = { "-1": "Yesterday", 0: "Today", 1: "Tomorrow" }[midnights];
  if (name) return `${name}, ${clock.format(at)}`;
  return (at.getFullYear() === now.getFullYear() ? day : date).format(at);
}

export function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const words = "exact" in time.dataset ? exact.format(at) : inWords(at);
    if (time.textContent !== words) time.textContent = words;
    time.title = full.format(at);
  }
}
