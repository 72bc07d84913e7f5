// A checkbox with data-shows="ID" shows that password. A drop zone is highlighted on drag and names the chosen file.
const block = (event) => event.target.closest?.(".drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => block(event)?.classList.toggle("over", kind === "dragover"));
}
document.addEventListener("change", (event) => {
  const field = document.getElementById(event.target.dataset?.shows);
  if (field) field.type = event.target.checked ? "text" : "password";
  const chosen = event.target.type === "file" && block(event)?.querySelector("[data-chosen]");
  if (chosen) chosen.textContent = [...event.target.files].map((file) => file.name).join(", ");
});
