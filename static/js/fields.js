// What a button copies, and what a box shows, stand in its attributes: `data-copies` and `data-shows` are ids.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copies]");
  const source = button && document.getElementById(button.dataset.copies);
  if (!source) return;
  try {
    const lines = [...source.children].map((line) => line.textContent).join("\n");
    await navigator.clipboard.writeText(source.value ?? lines);
    document.getElementById("announcer").textContent = "Copied.";
    button.lastChild.textContent = "Copied";
  } catch {
    source.select?.(); // no permission: it is at least marked
  }
});
document.addEventListener("change", (event) => {
  const field = document.getElementById(event.target.dataset?.shows);
  if (field) field.type = event.target.checked ? "text" : "password";
});
