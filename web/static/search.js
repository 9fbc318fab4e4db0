// A page that is searched: Escape in one of its fields empties them all, and leads back to the whole list.

for (const form of document.querySelectorAll("form[role=search]")) {
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    for (const field of form.elements) if (field.name) field.value = "";
    if (location.search) location.assign(location.pathname);
  });
}
