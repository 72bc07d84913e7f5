// A button with data-copy="ID" copies the field's text, and confirms it in its own label.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]"), field = document.getElementById(button?.dataset.copy);
  if (!field) return;
  field.select?.(); // lets people copy by hand if the clipboard isn't allowed
  const allowed = await navigator.clipboard?.writeText(field.value ?? field.textContent).then(() => true, () => false);
  if (!allowed) return;
  const words = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE), before = words.data;
  words.data = document.getElementById("announcer").textContent = "Copied";
  setTimeout(() => (words.data = before), 2000);
});
