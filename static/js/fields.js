// A box with data-shows="ID" shows what is typed into that password field.
document.addEventListener("change", (event) => {
  const field = document.getElementById(event.target.dataset?.shows);
  if (field) field.type = event.target.checked ? "text" : "password";
});
