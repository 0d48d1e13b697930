// Keeps marked parts of a page current while it is looked at. The socket only says that something happened: the part is
// then fetched again from the address it came from, so it is made by the same template, for the same person.
//   data-live="TYPE TYPE"       on an element with hx-get and hx-trigger="live consume": fetch it again on these events; * is any
//   data-live-where="name=value"   only when the event's payload has this value
//   data-live-since="7"         the newest event that the markup already shows
//   data-live-passing           on a page that wants "mq:passing" events too: what is true for a moment and has no number
//   data-live-poll="15"         while there is no socket, fetch it this often (seconds)
// Markup comes from templates/realtime/_live.html. <html data-live-state="on|off"> tells style sheets how it stands.
(() => {
  "use strict";
  const GAP_MS = 1000;            // one element is fetched at most this often
  const HIDDEN_MS = 30000;        // a tab nobody sees lets its socket go after this
  const SLOWER = 4;               // with a socket, polling goes on this much slower, for what a socket may miss
  const LONGEST_MS = 60000;
  const html = document.documentElement;
  const visible = () => document.visibilityState === "visible";
  const marked = () => [...document.querySelectorAll("[data-live]")];

  let socket = null;
  let newest = null;              // number of the last event heard of
  let failures = 0;
  let retry = 0;
  let letGo = 0;
  let over = false;               // signed out: what is fetched says so, and nothing renews itself
  const fetched = new WeakMap();  // element -> when it was fetched last
  const due = new WeakMap();      // element -> timer

  // --- Fetching -------------------------------------------------------------------------------------------------------
  function fetchNow(element) {
    due.delete(element);
    if (!element.isConnected) return;
    if (!visible()) { element.dataset.liveStale = ""; return; }
    delete element.dataset.liveStale;
    fetched.set(element, Date.now());
    htmx.trigger(element, "live");
  }
  function refresh(element) {
    if (due.has(element)) return;
    const wait = (fetched.get(element) || 0) + GAP_MS - Date.now();
    due.set(element, setTimeout(() => fetchNow(element), Math.max(0, wait)));
  }
  const refreshAll = () => marked().forEach(refresh);

  function concerns(element, event) {
    const types = element.dataset.live.split(" ");
    if (!types.includes("*") && !types.includes(event.type)) return false;
    const where = element.dataset.liveWhere;
    if (!where) return true;
    const at = where.indexOf("=");
    return String(event.payload?.[where.slice(0, at)]) === where.slice(at + 1);
  }

  // --- The socket -----------------------------------------------------------------------------------------------------
  function shown() {
    const numbers = marked().map((element) => element.dataset.liveSince);
    return numbers.length && numbers.every(Boolean) ? Math.min(...numbers.map(Number)) : null;
  }
  function open() {
    clearTimeout(retry);
    if (socket || over || !visible() || !marked().length) return;
    newest = newest ?? shown();
    const asked = [];
    if (newest !== null) asked.push(`since=${newest}`);
    if (document.querySelector("[data-live-passing]")) asked.push("passing=yes");
    const query = asked.length ? `?${asked.join("&")}` : "";
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws${query}`);
    const mine = socket;
    mine.onopen = () => {
      failures = 0;
      html.dataset.liveState = "on";
      if (!query.includes("since")) refreshAll();   // what happened since the page was made is not known
    };
    mine.onmessage = (message) => {
      const event = JSON.parse(message.data);
      if (event.seq === undefined) {   // true for a moment, and nothing to go on from
        html.dispatchEvent(new CustomEvent("mq:passing", { detail: event }));
        return;
      }
      newest = Math.max(newest ?? 0, event.seq);
      if (event.type === "EVENTS_LOST") refreshAll();
      else marked().filter((element) => concerns(element, event)).forEach(refresh);
    };
    mine.onclose = (event) => { if (socket === mine) closed(event); };
  }
  function closed(event) {
    socket = null;
    html.dataset.liveState = "off";
    if (event.reason === "SIGNED_OUT" || event.reason === "TOKEN_EXPIRED") {
      over = true;
      refreshAll();
      return;
    }
    failures += 1;
    let wait = Math.min(LONGEST_MS, 1000 * 2 ** Math.min(failures, 10));
    if (event.code === 1008) wait = LONGEST_MS;           // not allowed at the moment
    if (event.code === 1013) wait = Math.max(wait, 15000); // full
    retry = setTimeout(open, wait * (0.5 + Math.random() / 2));
  }
  function release() {
    clearTimeout(retry);
    const was = socket;
    socket = null;
    html.dataset.liveState = "off";
    was?.close(1000);
  }

  // --- Coming and going -----------------------------------------------------------------------------------------------
  function look() {
    clearTimeout(letGo);
    if (over) { if (visible()) refreshAll(); return; }   // perhaps signed in again beside this page
    if (!visible()) { letGo = setTimeout(release, HIDDEN_MS); return; }
    document.querySelectorAll("[data-live-stale]").forEach(refresh);
    failures = 0;
    open();
  }
  document.addEventListener("visibilitychange", look);
  document.addEventListener("htmx:afterSettle", open);    // a part to keep current may have come just now
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status !== 401) return;
    over = true;
    release();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!over || !event.detail.successful) return;
    over = false;
    open();
  });
  addEventListener("online", look);
  addEventListener("pagehide", release);
  addEventListener("pageshow", (event) => { if (event.persisted) { newest = null; look(); } });

  // While there is no socket, and slowly in any case.
  setInterval(() => {
    if (!visible() || over) return;
    for (const element of document.querySelectorAll("[data-live-poll]")) {
      const every = element.dataset.livePoll * 1000 * (html.dataset.liveState === "on" ? SLOWER : 1);
      if (!fetched.has(element)) fetched.set(element, Date.now());
      else if (Date.now() - fetched.get(element) >= every) refresh(element);
    }
  }, 1000);

  html.dataset.liveState = "off";
  open();
})();
