// A button with data-copy="ID" puts the field's text into the clipboard, and says so in its own place.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  const field = button && document.getElementById(button.dataset.copy);
  if (!field) return;
  const text = field.value ?? field.textContent;
  field.select?.();
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return; // not allowed here: it is selected, and can be copied by hand
  }
  const words = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE);
  const before = words.data;
  words.data = "Copied";
  document.getElementById("announcer").textContent = "Copied";
  setTimeout(() => (words.data = before), 2000);
});
