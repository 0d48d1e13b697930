// Makes the pages smoother; every page works without it. No page needs to call anything here: markup asks by attributes.
//   data-confirm="…"            on a <form> or its submit button: asks first (data-confirm-detail, data-confirm-label add words)
//   data-copy="…"               copies the text
//   data-dialog-open="id"       opens the <dialog>;  data-dialog-close closes the one around it
//   data-announce="…"           in swapped markup: said aloud once
//   data-keep-enabled           on a <form> whose answer is a download: do not block a second submit
(() => {
  "use strict";
  const html = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // --- Saying things aloud -------------------------------------------------------------------------------------------
  function announce(text) {
    const region = byId("announcer");
    if (!region || !text) return;
    region.textContent = "";
    setTimeout(() => { region.textContent = text; }, 50);
  }

  // --- Toasts: success and info leave after a while, unless somebody is reading or pointing at them -------------------
  const TOAST_MS = 6000;
  function dismiss(toast) {
    if (calm.matches) { toast.remove(); return; }
    toast.classList.add("is-leaving");
    setTimeout(() => toast.remove(), 200);
  }
  function startTimer(toast) {
    if (toast.dataset.timed) return;
    toast.dataset.timed = "yes";
    let timer;
    const start = () => { timer = setTimeout(() => dismiss(toast), TOAST_MS); };
    const stop = () => clearTimeout(timer);
    for (const type of ["mouseenter", "focusin"]) toast.addEventListener(type, stop);
    for (const type of ["mouseleave", "focusout"]) toast.addEventListener(type, start);
    start();
  }
  const startTimers = () => document.querySelectorAll("#toasts [data-autodismiss]").forEach(startTimer);

  // --- Asking before an act -------------------------------------------------------------------------------------------
  function ask(question, words, button) {
    const dialog = byId("confirm");
    const yes = dialog.querySelector("[data-confirm-yes]");
    const detail = dialog.querySelector("[data-confirm-detail]");
    dialog.querySelector("[data-confirm-question]").textContent = question;
    detail.textContent = words.dataset.confirmDetail || "";
    detail.hidden = !detail.textContent;
    yes.querySelector("span").textContent = words.dataset.confirmLabel || yes.dataset.defaultLabel;
    yes.classList.toggle("mq-btn-danger", /\bmq-btn-danger/.test(button?.className || ""));
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((settle) => {
      dialog.addEventListener("close", () => settle(dialog.returnValue === "yes"), { once: true });
    });
  }

  const agreed = new WeakSet();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const source = event.submitter?.dataset.confirm ? event.submitter : form;
    const question = source.dataset.confirm;
    if (!question || agreed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    ask(question, source, submitter).then((yes) => {
      if (!yes) return;
      agreed.add(form);
      form.requestSubmit(submitter);
    });
  }, true);

  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    ask(event.detail.question, event.detail.elt, event.detail.elt).then((yes) => { if (yes) event.detail.issueRequest(true); });
  });

  // --- One submit at a time -------------------------------------------------------------------------------------------
  // aria-disabled instead of disabled: the button keeps the focus, and its name and value are still sent.
  const submitters = (form) => form.querySelectorAll("button:not([type=button]), input[type=submit]");
  function setBusy(form, busy) {
    if (busy) form.setAttribute("aria-busy", "true"); else form.removeAttribute("aria-busy");
    submitters(form).forEach((button) => {
      if (busy) button.setAttribute("aria-disabled", "true"); else button.removeAttribute("aria-disabled");
    });
  }
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog" || form.hasAttribute("data-keep-enabled")) return;
    if (form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    // htmx answers with events of its own; a plain submit leaves the page, or comes back from the cache (pageshow).
    setTimeout(() => {
      if (event.defaultPrevented || !form.isConnected) return;
      setBusy(form, true);
      setTimeout(() => setBusy(form, false), 15000);
    }, 0);
  }, true);
  addEventListener("pageshow", () => document.querySelectorAll("form[aria-busy]").forEach((form) => setBusy(form, false)));

  // --- htmx: focus, problems, announcements ---------------------------------------------------------------------------
  let before = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt.closest("form");
    if (form) setBusy(form, true);
    const held = document.activeElement;
    before = held && held !== document.body ? { id: held.id, name: held.getAttribute("name"), form: held.form?.getAttribute("action") } : null;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest("form");
    if (form) setBusy(form, false);
    const acted = event.detail.requestConfig?.verb !== "get" || event.detail.requestConfig?.triggeringEvent?.isTrusted;
    const problems = byId("problems");
    if (event.detail.successful && (acted || problems?.querySelector("[data-signed-out]"))) problems?.replaceChildren();
  });

  function showProblem(templateId) {
    const template = byId(templateId);
    const problems = byId("problems");
    if (!template || !problems) return;
    problems.replaceChildren(template.content.cloneNode(true));
    problems.scrollIntoView({ block: "nearest" });
  }
  // What renews itself (live.js) fails quietly: nobody asked for it, and it tries again.
  const isLive = (event) => event.detail.requestConfig?.triggeringEvent?.type === "live";
  document.addEventListener("htmx:sendError", (event) => { if (!isLive(event)) showProblem("problem-unreachable"); });
  document.addEventListener("htmx:timeout", (event) => { if (!isLive(event)) showProblem("problem-unreachable"); });
  function differs(field) {
    if (field.type === "hidden") return false;
    if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
    return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  }
  const somethingTyped = () => [...document.querySelectorAll("main :is(input, select, textarea)")].some(differs);

  document.addEventListener("htmx:beforeSwap", (event) => {
    // The sign-in has ended: a page on which something was typed stays, and says so.
    const signIn = event.detail.xhr?.getResponseHeader("MQ-Sign-In");
    if (signIn) {
      event.detail.shouldSwap = somethingTyped();
      if (!event.detail.shouldSwap) location.assign(signIn);
      return;
    }
    if (isLive(event) && event.detail.isError) { event.detail.shouldSwap = false; return; }
    // A whole page that nobody aimed anywhere, as the answer to a failed request, comes from a proxy.
    const aimed = event.detail.xhr?.getResponseHeader("HX-Retarget");
    if (event.detail.isError && !aimed && /<html[\s>]/i.test(event.detail.serverResponse || "")) event.detail.shouldSwap = false;
    if (event.detail.isError && !event.detail.shouldSwap) showProblem("problem-server");
  });

  // A refused form lists what is wrong: "Company: This is needed." says more than "This is needed."
  function nameRefusedFields(root) {
    root.querySelectorAll("[data-error-summary] a[href^='#']:not([data-named])").forEach((link) => {
      const control = byId(link.hash.slice(1));
      const label = control?.closest("fieldset.mq-radio-cards")?.querySelector("legend") || control?.labels?.[0];
      if (!label) return;
      const words = label.cloneNode(true);
      words.querySelector(".mq-optional")?.remove();
      link.prepend(`${words.textContent.trim()}${html.lang.startsWith("zh") ? "：" : ": "}`);
      link.dataset.named = "";
    });
  }
  nameRefusedFields(document);

  function sameControl({ id, name, form }) {
    if (id && byId(id)) return byId(id);
    if (!name) return null;
    return [...document.getElementsByName(name)].find((element) => element.form?.getAttribute("action") === form) || null;
  }
  document.addEventListener("htmx:afterSettle", (event) => {
    const root = event.detail.elt;
    if (!root?.querySelector) return;
    startTimers();
    nameRefusedFields(document);
    root.querySelectorAll("[data-announce]").forEach((element) => announce(element.dataset.announce));
    const narrowed = document.querySelector("[data-narrowed]"), head = root.querySelector("[data-filters]");
    if (narrowed && head) narrowed.textContent = head.dataset.filters;
    if (root.id === "problems") { root.scrollIntoView({ block: "nearest" }); return; }
    if (root.closest("#toasts")) return;
    const wanted = root.querySelector("[data-error-summary]") || root.querySelector("[autofocus]");
    if (wanted) { wanted.focus(); return; }
    // htmx keeps the focus on an element whose id survives the swap; this is for the others.
    if (document.activeElement && document.activeElement !== document.body) return;
    if (!before) return;
    const again = sameControl(before);
    if (again) { again.focus({ preventScroll: true }); return; }
    if (!root.hasAttribute("tabindex")) root.setAttribute("tabindex", "-1");
    root.focus({ preventScroll: true });
  });

  // --- Preferences: the theme changes at once, the server remembers it --------------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.preference || !event.submitter) return;
    const next = form.querySelector("[name=next]");
    if (next) next.value = location.pathname + location.search;
    if (form.dataset.preference !== "theme") return;
    event.preventDefault();
    const chosen = event.submitter.value;
    html.dataset.theme = chosen;
    html.dispatchEvent(new CustomEvent("mq:theme"));
    document.querySelectorAll("[data-preference=theme] button").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.value === chosen));
    });
    const body = new URLSearchParams(new FormData(form, event.submitter));
    fetch(form.action, { method: "POST", body, redirect: "manual", credentials: "same-origin" }).catch(() => {});
  });

  // --- Menus, dialogs, copying -----------------------------------------------------------------------------------------
  const openMenus = () => document.querySelectorAll("details[data-menu][open]");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    openMenus().forEach((menu) => {
      const inside = menu.contains(document.activeElement);
      menu.open = false;
      if (inside) menu.querySelector("summary").focus();
    });
  });
  document.addEventListener("click", (event) => {
    openMenus().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });

    const opener = event.target.closest("[data-dialog-open]");
    if (opener) {
      const dialog = byId(opener.dataset.dialogOpen);
      if (dialog) {
        event.preventDefault();
        dialog.showModal();
        (dialog.querySelector("[autofocus]") || dialog.querySelector(".mq-dialog-body :is(input:not([type=hidden]), select, textarea, button)"))?.focus();
      }
      return;
    }
    const closer = event.target.closest("[data-dialog-close]");
    if (closer) { event.preventDefault(); closer.closest("dialog").close(); return; }

    const close = event.target.closest("[data-dismiss]");
    if (close) { dismiss(close.closest(".mq-toast")); return; }

    const copier = event.target.closest("[data-copy]");
    if (copier) copy(copier);
  });
  // A link that acts as a button also answers to the space bar.
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.matches?.("a[role=button]")) { event.preventDefault(); event.target.click(); }
  });

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return;
    }
    const label = button.querySelector("[data-copy-label]");
    const words = button.dataset.copied;
    announce(words);
    if (!label || button.dataset.was) return;
    button.dataset.was = label.textContent;
    label.textContent = words;
    setTimeout(() => { label.textContent = button.dataset.was; delete button.dataset.was; }, 2000);
  }

  // --- What was typed into another form of the page goes along with a search ---------------------------------------------
  document.addEventListener("submit", (event) => {
    const other = event.target.dataset.carry && byId(event.target.dataset.carry);
    if (!other) return;
    event.target.querySelectorAll("input[type=hidden]").forEach((kept) => {
      if (other.elements[kept.name]) kept.value = other.elements[kept.name].value;
    });
  });

  // --- Tables wider than their place can be scrolled with the keyboard too ------------------------------------------------
  function markScrollers() {
    document.querySelectorAll(".mq-table-wrap").forEach((wrap) => {
      if (wrap.scrollWidth > wrap.clientWidth + 1) wrap.tabIndex = 0; else wrap.removeAttribute("tabindex");
    });
  }
  addEventListener("resize", markScrollers);
  document.addEventListener("htmx:afterSettle", markScrollers);

  // An address that ends in a dialog's name opens it, as it does without script.
  const aimed = location.hash && byId(location.hash.slice(1));
  if (aimed instanceof HTMLDialogElement) aimed.showModal();

  document.querySelector(".mq-side-nav [aria-current]")?.scrollIntoView({ block: "nearest" });   // a long way down
  markScrollers();
  startTimers();
})();
