// Printing a sheet.

document.getElementById("print").addEventListener("click", () => print());
