// A button with data-copy="ID" puts the field's text into the clipboard, and says so in its own place.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]"), field = document.getElementById(button?.dataset.copy);
  if (!field) return;
  field.select?.(); // where the clipboard is not allowed, it can be copied by hand
  const allowed = await navigator.clipboard?.writeText(field.value ?? field.textContent).then(() => true, () => false);
  if (!allowed) return;
  const words = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE), before = words.data;
  words.data = document.getElementById("announcer").textContent = "Copied";
  setTimeout(() => (words.data = before), 2000);
});
