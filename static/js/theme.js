// Blocking, in <head>: settles the theme before anything is painted, and says that scripts run.
(() => {
  "use strict";
  const html = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = html.dataset.theme;
    const auto = chosen !== "light" && chosen !== "dark";
    html.dataset.bsTheme = auto ? (dark.matches ? "dark" : "light") : chosen;
  };
  html.classList.add("has-script");
  apply();
  dark.addEventListener("change", apply);
  // app.js fires this when somebody chooses another theme.
  html.addEventListener("mq:theme", apply);
})();
