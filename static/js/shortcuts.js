// Keyboard shortcuts of the console. They are listed in the sheet that "?" opens, which names them by
// data-shortcut="keys" on links and fields; nothing happens while somebody types or holds a modifier.
(() => {
  "use strict";

  const TYPING = "input, textarea, select, [contenteditable]";
  const PAUSE_MS = 900; // between the two keys of "g c"
  const STORED = "mq-shortcuts"; // "off" on a device whose owner does not want them
  let first = "";
  let forget = 0;

  const isOff = () => {
    try { return localStorage.getItem(STORED) === "off"; } catch { return false; }
  };

  const find = (keys) =>
    [...document.querySelectorAll("[data-shortcut]")].find((element) => element.dataset.shortcut === keys);

  const act = (element) => {
    if (element.matches(TYPING)) element.focus();
    else element.click();
  };

  const searchField = () => document.querySelector("main input[type=search], #filter-query");

  const openSheet = () => {
    const sheet = document.getElementById("shortcuts");
    if (sheet && !sheet.open) sheet.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isOff() || event.target.closest(TYPING) || document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      openSheet();
      event.preventDefault();
      return;
    }
    const keys = first ? `${first} ${event.key}` : event.key;
    const element = keys === "/" ? searchField() : find(keys);
    clearTimeout(forget);
    first = "";
    if (element) {
      event.preventDefault();
      act(element);
    } else if (event.key === "g") {
      first = "g";
      forget = setTimeout(() => { first = ""; }, PAUSE_MS);
    }
  });

  const toggle = document.querySelector("[data-shortcuts-toggle]");
  if (toggle) {
    toggle.checked = !isOff();
    toggle.addEventListener("change", () => {
      try { localStorage.setItem(STORED, toggle.checked ? "on" : "off"); } catch { toggle.checked = true; }
    });
  }
})();
