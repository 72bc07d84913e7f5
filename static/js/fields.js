// A <details> with a field marked data-first focuses it when opened; Escape closes it.
document.addEventListener("toggle", ({ target }) => {
  const field = target.open && target.querySelector?.("[data-first]");
  if (field) field.focus(), field.select();
}, true);
document.addEventListener("keydown", ({ key, target }) => {
  const details = key === "Escape" && target.matches("[data-first]") && target.closest("details");
  if (!details) return;
  target.form.reset();
  details.open = false;
  details.firstElementChild.focus();
});
// A checkbox with data-shows="ID" shows that password. A drop zone names the chosen file; with data-starts="ID" in its
// field, that button is pressed at once. While a file is dragged over the page, the field covers the window.
const block = (event) => event.target.closest?.(".drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const file = event.dataTransfer?.types.includes("Files"), inside = kind === "dragover" || event.relatedTarget !== null;
    document.documentElement.classList.toggle("dragging", file && inside && kind !== "drop");
    if (file && !block(event)) event.preventDefault(); // or the browser opens a file that was dropped beside the zone
  });
}
document.addEventListener("change", (event) => {
  const { dataset, files, form, type } = event.target, field = document.getElementById(dataset?.shows);
  if (field) field.type = event.target.checked ? "text" : "password";
  const chosen = type === "file" && block(event)?.querySelector("[data-chosen]");
  if (chosen) chosen.textContent = [...files].map((file) => file.name).join(", ");
  if (dataset?.starts && files.length) form.requestSubmit(document.getElementById(dataset.starts));
});
