// Runs before the first paint, so that a light tablet never flashes dark.
document.documentElement.dataset.theme = localStorage.getItem("theme") || "dark";
