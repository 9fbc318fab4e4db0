// A page that is searched: Escape in one of its fields empties them all, and leads back to the whole list. Days are those
// of this tablet, where the site names no time zone.

for (const form of document.querySelectorAll("form[role=search]")) {
  for (const field of form.querySelectorAll("[data-zone]")) field.value = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    for (const field of form.elements) if (field.name) field.value = "";
    if (location.search) location.assign(location.pathname);
  });
}
