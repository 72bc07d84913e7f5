// Show <time datetime> in the viewer's zone and language: relative if recent, else the date; exact on hover. Skips dates.
const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const DATE = { day: "numeric", month: "short" }, CLOCK = { hour: "2-digit", minute: "2-digit" };
const form = (options) => new Intl.DateTimeFormat("en-GB", options);
const clock = form(CLOCK), day = form(DATE), date = form({ ...DATE, year: "numeric" });
const exact = form({ ...DATE, year: "numeric", ...CLOCK }), full = form({ dateStyle: "full", timeStyle: "long" });
const distance = new Intl.RelativeTimeFormat("en-GB", { style: "short" });
const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);
function inWords(at, now = new Date()) {
  const away = at - now;
  if (Math.abs(away) < 45_000) return "just now";
  if (Math.abs(away) < HOUR) return distance.format(Math.round(away / MINUTE) || Math.sign(away), "minute");
  const name = { "-1": "Yesterday", 0: "Today", 1: "Tomorrow" }[Math.round((midnight(at) - midnight(now)) / DAY)];
  if (name) return `${name}, ${clock.format(at)}`;
  return (at.getFullYear() === now.getFullYear() ? day : date).format(at);
}

// In print, `just now` has no meaning.
export function showTimes(event) {
  const onPaper = event?.type === "beforeprint";
  for (const time of document.querySelectorAll('time[datetime*="T"]')) {
    const at = new Date(time.dateTime), words = onPaper || "exact" in time.dataset ? exact.format(at) : inWords(at);
    if (time.textContent !== words) time.textContent = words;
    time.title = full.format(at);
  }
}
for (const kind of ["beforeprint", "afterprint"]) window.addEventListener(kind, showTimes);
