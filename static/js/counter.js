// The counter. What can be taken is what the server has just shown: while the entries differ from it, nothing can be.
(() => {
  "use strict";
  const order = () => document.querySelector("form[data-till]");
  const take = () => document.querySelector("form[data-take]");

  function isFresh() {
    const form = order();
    const shown = document.querySelector("[data-quote]");
    if (!form || !shown) return false;
    const voucher = form.elements.voucherId ? form.elements.voucherId.value : shown.dataset.voucher;
    return shown.dataset.amount === form.elements.amount.value.trim() && shown.dataset.voucher === voucher;
  }

  function mark() {
    const stale = !isFresh();
    document.getElementById("quote")?.classList.toggle("is-stale", stale);
    const shown = document.querySelector("[data-quote]");
    if (shown) shown.hidden = !order()?.elements.amount.value.trim();
    const button = take()?.querySelector("button");
    if (!button) return;
    if (stale) button.setAttribute("aria-disabled", "true"); else button.removeAttribute("aria-disabled");
  }

  for (const type of ["input", "change"]) {
    document.addEventListener(type, (event) => { if (event.target.form?.matches("[data-till]")) mark(); });
  }
  document.addEventListener("htmx:afterSettle", (event) => {
    const { id } = event.detail.elt;
    if (id === "quote" || id === "problems") mark(); else begin();   // asking again after a refusal would never end
  });

  // The large keys type into the amount as a keyboard does; the tablet's own keyboard then stays away.
  function press(key, entry) {
    const typed = entry.value.trim();
    if (key === "back") return typed.slice(0, -1);
    if (key === ".") return typed.includes(".") ? typed : `${typed || "0"}.`;
    if (/\.\d\d$/.test(typed) || typed.length >= entry.maxLength) return typed;
    return typed === "0" ? key : typed + key;
  }
  document.addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]");
    const entry = order()?.elements.amount;
    if (!key || !entry) return;
    entry.value = press(key.dataset.key, entry);
    entry.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // Enter in the amount takes what is shown; if that is not shown yet, it is asked for first.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-take]") && !isFresh()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    if (!form.matches("[data-till]")) return;
    event.preventDefault();
    if (isFresh()) take()?.requestSubmit(); else htmx.trigger(form, "quote");
  }, true);

  // A page that shows something else than its entries say asks once more: a voucher is gone by now, or somebody typed
  // the amount before this script was there.
  function begin() {
    mark();
    if (document.querySelector("[data-key]")) order().elements.amount.inputMode = "none";
    const asks = document.querySelector("[data-quote]") || order()?.elements.amount.value.trim();
    if (asks && !isFresh()) htmx.trigger(order(), "quote");
  }

  begin();
  document.addEventListener("DOMContentLoaded", begin);   // htmx listens from then on
})();
