// Reads a customer's code with the camera, where the browser can (BarcodeDetector). The button appears only there; a scanner
// that types, the phone number and the code typed by hand work everywhere. The camera is off as soon as nobody looks.
(() => {
  "use strict";
  const EVERY_MS = 150;
  const OURS = /^\s*MQ1[.\s-]?[0-9A-Z]/i;
  const button = () => document.querySelector("[data-scan]");
  const dialog = () => document.getElementById("scan");

  let detector = null;
  let stream = null;
  let round = 0;    // grows with every start and stop: what an older one still brings is ignored
  let timer = 0;

  function say(words) {
    const place = dialog()?.querySelector("[role=status]");
    const text = dialog()?.dataset[words] || "";
    if (place && place.textContent !== text) place.textContent = text;
  }

  function stop() {
    round += 1;
    clearTimeout(timer);
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    const video = dialog()?.querySelector("video");
    if (video) video.srcObject = null;
  }

  const reason = (error) => ({
    NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "missing", OverconstrainedError: "missing",
  })[error.name] || "failed";

  async function start() {
    stop();
    const mine = round;
    const shown = dialog();
    shown.addEventListener("close", stop, { once: true });
    shown.showModal();
    say("starting");
    try {
      const opened = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: { ideal: "environment" } } });
      if (mine !== round) { opened.getTracks().forEach((track) => track.stop()); return; }
      stream = opened;
      const video = shown.querySelector("video");
      video.srcObject = stream;
      await video.play();
      say("looking");
      look(video, mine);
    } catch (error) {
      if (mine !== round) return;
      stop();
      say(reason(error));
    }
  }

  async function look(video, mine) {
    let codes = [];
    try {
      codes = await detector.detect(video);
    } catch { /* a frame that cannot be read; the next one may */ }
    if (mine !== round) return;
    const hit = codes.find((code) => OURS.test(code.rawValue));
    if (hit) { found(hit.rawValue); return; }
    if (codes.length) say("other");
    timer = setTimeout(look, EVERY_MS, video, mine);
  }

  function found(text) {
    const entry = document.getElementById("search-query");
    dialog().close();
    navigator.vibrate?.(60);
    entry.value = text.trim();
    entry.form.requestSubmit();
  }

  document.addEventListener("click", (event) => { if (event.target.closest("[data-scan]")) start(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden && stream) dialog()?.close(); });
  addEventListener("pagehide", stop);

  async function offer() {
    if (!("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) return;
    if (!detector) {
      const formats = await BarcodeDetector.getSupportedFormats();
      if (!formats.includes("qr_code")) return;
      detector = new BarcodeDetector({ formats: ["qr_code"] });
    }
    const shown = button();
    if (shown) shown.hidden = false;
  }
  document.addEventListener("htmx:afterSettle", offer);
  offer();
})();
