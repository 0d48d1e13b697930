// The chat with the strategist: the answer grows while it is written, Enter sends, and focus and place stay where they are.
// Every part of it works without this file, by links and plain forms.
//   #chat        the part that is fetched anew; data-busy="…" says why nothing can be sent, data-newest names the last message
//   #draft       the answer that is being written; data-turn names it
//   data-fill="…"   puts the words into the field
(() => {
  "use strict";
  const html = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const NEAR = 200;               // pixels from the end of the page: whoever is so near follows what comes in
  const field = () => byId("field-content");
  const isNear = () => html.scrollHeight - innerHeight - scrollY < NEAR;
  const toEnd = () => scrollTo({ top: html.scrollHeight, behavior: "instant" });

  function announce(words) {
    const region = byId("announcer");
    region.textContent = "";
    setTimeout(() => { region.textContent = words; }, 50);
  }

  // --- Sending ----------------------------------------------------------------------------------------------------------
  // aria-disabled instead of disabled: the button keeps the focus.
  function showBusy() {
    const why = byId("chat")?.dataset.busy || "";
    const button = byId("send");
    if (!button) return;
    button.disabled = false;
    if (why) button.setAttribute("aria-disabled", "true"); else button.removeAttribute("aria-disabled");
    const hint = byId("send-hint");
    if (hint.textContent !== why) hint.textContent = why;
  }
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "say") return;
    const why = byId("chat")?.dataset.busy;
    if (!why) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    announce(why);
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.target !== field() || event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      if (field().value.trim()) byId("say").requestSubmit(byId("send"));
    } else if (event.key === "Escape") {
      const proposal = byId("proposal");
      if (proposal) proposal.focus(); else field().blur();
    }
  });
  document.addEventListener("click", (event) => {
    const example = event.target.closest("[data-fill]");
    if (!example) return;
    event.preventDefault();
    field().value = example.dataset.fill;
    field().focus();
  });

  // --- What comes in ----------------------------------------------------------------------------------------------------
  let before = null;
  const isChat = (event) => event.detail.target?.id === "chat";
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isChat(event) || !event.detail.shouldSwap) return;
    const chat = byId("chat");
    before = {
      newest: chat.dataset.newest,
      proposal: Boolean(byId("proposal")),
      near: isNear(),
      fromEnd: html.scrollHeight - scrollY,
      goesBack: "earlier" in (event.detail.requestConfig?.elt?.dataset || {}),
      sent: event.detail.requestConfig?.elt?.id === "say" ? field().value : null,
      typed: [...chat.querySelectorAll("input[type=text]")].map((input) => [input.id, input.value]),
    };
  });
  document.addEventListener("htmx:afterSettle", () => {
    const was = before;
    before = null;
    showBusy();
    if (!was) return;
    for (const [id, value] of was.typed) { const input = byId(id); if (input && value) input.value = value; }
    // What was pressed (stop, try again) has gone with the part that was replaced.
    if (document.activeElement === document.body) field().focus({ preventScroll: true });
    if (was.goesBack) { scrollTo({ top: html.scrollHeight - was.fromEnd, behavior: "instant" }); return; }
    if (byId("chat").dataset.newest === was.newest) return;
    if (was.sent !== null) {
      if (field().value === was.sent) field().value = "";
      field().focus({ preventScroll: true });
      toEnd();
      return;
    }
    const last = document.querySelector("[data-said]");
    if (last) announce(last.dataset.said);
    if (!was.near) return;
    const proposal = byId("proposal");
    if (proposal && !was.proposal) proposal.scrollIntoView({ block: "start", behavior: "instant" }); else toEnd();
  });

  // --- The answer while it is written -------------------------------------------------------------------------------------
  let unknown = "";               // a turn that somebody else began: its bubble is fetched once
  html.addEventListener("mq:passing", (event) => {
    const { type, payload } = event.detail;
    if (type !== "STRATEGY_CHAT_DRAFT") return;
    const draft = byId("draft");
    if (draft?.dataset.turn !== payload.turnId) {
      if (unknown !== payload.turnId) { unknown = payload.turnId; htmx.trigger(byId("chat"), "live"); }
      return;
    }
    const near = isNear();
    byId("draft-text").textContent = payload.text;
    const state = byId("draft-state");
    const words = payload.text ? state.dataset.writes : state.dataset.thinks;
    if (state.textContent !== words) state.textContent = words;
    if (near) toEnd();
  });

  showBusy();
  if (!location.hash || location.hash === "#newest") {
    const proposal = byId("proposal");
    if (proposal) proposal.scrollIntoView({ block: "start", behavior: "instant" });
    else if (document.querySelectorAll(".mq-said").length > 1) toEnd();
  }
})();
