// Buttons that print the page. They are shown where scripts run; everybody else uses the browser's own menu.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
