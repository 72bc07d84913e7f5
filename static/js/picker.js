// Drop-downs of plain fields in <details class="picker">: type to search, arrow keys to move, Escape to close.
const normalize = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
const labelOf = (field) => {
  const name = (part) => part?.querySelector("bdi").textContent;
  const badge = name(field.closest("details:not(.picker, .fold)")?.parentElement), own = name(field.parentElement);
  return badge ? `${badge} · ${own}` : own;
};
const boxOf = (field) => field.closest("details:not(.picker, .fold)")?.parentElement.querySelector("[name=badge]");

function showSelection(picker) {
  const ticked = [...picker.querySelectorAll(":checked")].filter((one) => !boxOf(one)?.checked || boxOf(one) === one);
  const text = ticked.map(labelOf).join(", "), summary = picker.firstElementChild;
  summary.firstElementChild.textContent = text || picker.dataset.empty;
  summary.firstElementChild.classList.toggle("muted", !text);
  summary.ariaLabel = `${picker.dataset.label}: ${text || picker.dataset.empty}`;
}

// Open what matches. If a badge's own name matches, its checkbox is the hit, otherwise each of its quests.
function find(picker, wanted) {
  const hits = (picker.hits = []);
  for (const branch of picker.querySelectorAll(".branch")) {
    const inner = branch.querySelector("details"), whole = normalize(branch.querySelector("bdi").textContent).includes(wanted);
    const options = [...(inner?.querySelectorAll("label") ?? [])], own = branch.querySelector(":scope > label");
    const found = options.filter((option) => whole || normalize(option.textContent).includes(wanted));
    for (const option of options) option.hidden = !found.includes(option);
    branch.hidden = !whole && !found.length;
    if (inner) inner.open = wanted ? found.length > 0 : inner.querySelector(":checked") !== null;
    hits.push(...(whole && own ? [own] : found).map((option) => option.querySelector("input")));
  }
  picker.querySelector(".no-options:last-child").textContent = hits.length || !wanted ? "" : "No badges or quests match.";
}

function close(picker) {
  const field = picker.querySelector(".find input");
  if (field) find(picker, (field.value = "")); // a quick reopening would skip the toggle event that does this
  picker.open = false;
  picker.firstElementChild.focus();
}

// The tree: checking a badge checks its quests, and vice versa.
function tick(field) {
  const quests = (of) => [...of.closest(".branch").querySelectorAll("[name=quest]")];
  if (field.name === "badge") quests(field).forEach((one) => (one.checked = field.checked));
  const box = boxOf(field);
  if (box) box.checked = quests(field).every((one) => one.checked);
}

document.addEventListener("change", ({ target }) => {
  const picker = target.closest("details.picker");
  if (!picker || !target.name) return;
  tick(target);
  showSelection(picker);
  if (target.type === "radio") close(picker);
});
document.addEventListener("input", ({ target }) => {
  if (target.matches(".find input")) find(target.closest(".picker"), normalize(target.value));
});
document.addEventListener("toggle", ({ target }) => {
  const field = target.matches?.("details.picker") && target.querySelector(".find input");
  if (!field) return;
  if (!target.open) find(target, (field.value = ""));
  else if (matchMedia("(pointer: fine)").matches && document.activeElement === target.firstElementChild) field.focus();
}, true);
// Clicking a label moves focus to an ancestor of the picker; that doesn't count as leaving it.
for (const kind of ["click", "focusin"]) {
  document.addEventListener(kind, ({ target }) => {
    for (const open of document.querySelectorAll("details.picker[open]")) {
      const left = !open.contains(target) && (kind === "click" || !target.contains(open));
      if (left) open.open = false;
    }
  });
}
document.addEventListener("keydown", (event) => {
  const { target, key } = event, picker = target.closest?.("details.picker");
  if (!picker || event.ctrlKey || event.metaKey || event.altKey) return;
  const focusable = [...picker.querySelectorAll("summary:not([aria-label^=Quests]), input")].filter((one) => one.checkVisibility({ contentVisibilityAuto: false }));
  const typing = target.matches(".find input"), step = { ArrowDown: 1, ArrowUp: -1 }[key];
  const inner = target.closest("details:not(.picker, .fold)") ?? target.closest(".branch")?.querySelector("details");
  if (key === "Escape" && picker.open) close(picker);
  else if (step && !picker.open) picker.open = true;
  else if (step) focusable[Math.max(0, Math.min(focusable.length - 1, focusable.indexOf(target) + step))].focus();
  else if (inner && !typing && key === "ArrowRight") inner.open = true;
  else if (inner && !typing && key === "ArrowLeft") { inner.open = false; inner.parentElement.querySelector("summary.option, input").focus(); }
  else if (key === "Enter" && target.matches("input")) {
    if (!typing) target.click();
    else if (picker.hits?.length === 1) picker.hits[0].click();
    else focusable[2]?.focus(); // several: arrow keys continue from the first
  }
  else { if (/^[^ ]$/.test(key) && !typing && picker.open) picker.querySelector(".find input")?.focus(); return; }
  event.preventDefault();
});
// A morph keeps checked boxes and typed text; the new list says what applies.
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx?.target?.id === "batches") document.querySelector("#filters form").reset();
});
