// A field with suggestions: arrow keys, Enter and Escape by combobox-nav, created when the field gets focus.
// `data-always`: the list is part of the dialog around it, and is shown as long as the dialog is.
import Combobox from "../vendor/combobox-nav/dist/index.js";
const made = new WeakMap();
function show(box, on) {
  box.list.hidden = !on;
  if (on !== Boolean(box.shown)) box[on ? "start" : "stop"]();
  box.shown = on;
}

function setUp(input) {
  const list = input?.dataset?.suggests && document.getElementById(input.dataset.suggests);
  if (!list || made.has(input)) return;
  const box = new Combobox(input, list, { tabInsertsSuggestions: false }), always = "always" in input.dataset;
  made.set(input, box);
  list.addEventListener("mousedown", (event) => event.preventDefault()); // keep focus in the field
  list.addEventListener("combobox-commit", ({ target }) => {
    if (target.href) return; // a link: the click that chose it also follows it
    input.value = target.dataset.value;
    show(box, false);
  });
  if (always) show(box, true);
  else input.addEventListener("blur", () => show(box, false));
  // Runs before combobox-nav: Enter without a selected option clicks the field's own button, Escape closes the list.
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || !["Enter", ...(always ? [] : ["Escape"])].includes(event.key)) return;
    const chosen = event.key === "Enter" && box.shown && input.hasAttribute("aria-activedescendant");
    if (!chosen && (event.key === "Enter" || box.shown)) event.preventDefault();
    if (!chosen && event.key === "Enter") document.getElementById(input.dataset.enter).click();
    if (!chosen && !always) show(box, false);
  });
}
document.addEventListener("focusin", ({ target }) => setUp(target));
setUp(document.activeElement); // focused by the page itself, before this module ran
document.addEventListener("htmx:after:swap", () => {
  const input = document.activeElement, box = made.get(input);
  if (box) show(box, "always" in input.dataset || (input.value.trim() !== "" && box.list.children.length > 0));
});
