// Writing. The words stand in the thread at once; then they are confirmed, or said not to be sent, in their place.
// With files the same form goes by the same route as without JavaScript, with its progress and a way to stop it.

import { newKey, say } from "./little.js";

const TYPING_MS = 3_000;

export class Composer {
  /**
   * @param {HTMLFormElement} form
   * @param {import("./thread.js").Thread} thread
   * @param {import("./live.js").Live} live
   * @param {string} conversation
   */
  constructor(form, thread, live, conversation) {
    this.form = form;
    this.thread = thread;
    this.live = live;
    this.conversation = conversation;
    this.text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text"));
    this.files = /** @type {HTMLInputElement} */ (form.elements.namedItem("files"));
    this.problem = /** @type {HTMLElement} */ (form.querySelector("[data-problem]"));
    this.sending = /** @type {HTMLElement} */ (form.querySelector("[data-sending]"));
    this.typed = 0;
    this.draft = `pli-draft-${conversation}`;
    form.addEventListener("submit", (event) => this.submit(event));
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.text.addEventListener("input", () => this.onInput());
    this.files.addEventListener("change", () => this.check());
    form.querySelector("[data-cancel]")?.addEventListener("click", () => this.request?.abort());
    if (!this.text.value) this.text.value = sessionStorage.getItem(this.draft) ?? "";
  }

  onInput() {
    sessionStorage.setItem(this.draft, this.text.value);
    if (Date.now() - this.typed > TYPING_MS) {
      this.typed = Date.now();
      this.live.typing(this.conversation);
    }
  }

  /** Too heavy is said before anything is sent. */
  check() {
    const octets = [...(this.files.files ?? [])].reduce((sum, file) => sum + file.size, 0);
    const heavy = octets > Number(this.form.dataset.most);
    this.tell(heavy ? say(this.thread.desk, "heavy", { size: `${Math.ceil(octets / 1e6)} Mo` }) : "");
    return !heavy;
  }

  /** @param {string} problem */
  tell(problem) {
    this.problem.textContent = problem;
    this.problem.hidden = !problem;
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    const text = this.text.value;
    if (this.files.files?.length) {
      event.preventDefault();
      if (this.check()) this.sendFiles();
      return;
    }
    if (!text.trim()) {
      event.preventDefault();
      this.text.focus();
      return;
    }
    if (!this.live.socket) return; // the form goes as it always could
    event.preventDefault();
    const key = newKey();
    const bubble = this.thread.write(text);
    this.clear();
    this.sendText(text, key, bubble);
  }

  clear() {
    this.text.value = "";
    sessionStorage.removeItem(this.draft);
    this.tell("");
    this.text.focus();
  }

  /**
   * @param {string} text
   * @param {string} key the same for every attempt: it arrives once
   * @param {HTMLElement} bubble
   */
  async sendText(text, key, bubble) {
    let why = say(this.thread.desk, "unavailable");
    try {
      const answer = await this.live.post(this.conversation, text, key);
      if (answer.message) return this.thread.sent(bubble, answer.message);
      why = answer.error?.detail ?? why;
    } catch {
      // no acknowledgement: it may have arrived, and the same key tells
    }
    this.thread.unsent(bubble, why, () => this.sendText(text, key, bubble));
  }

  sendFiles() {
    const request = new XMLHttpRequest();
    const progress = /** @type {HTMLProgressElement} */ (this.sending.querySelector("progress"));
    const key = /** @type {HTMLInputElement} */ (this.form.elements.namedItem("client_key"));
    this.request = request;
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress.value = (100 * event.loaded) / event.total;
    });
    request.addEventListener("loadend", () => {
      this.sending.hidden = true;
      this.request = undefined;
    });
    request.addEventListener("abort", () => this.tell(say(this.thread.desk, "cancelled")));
    request.addEventListener("error", () => this.tell(say(this.thread.desk, "unavailable")));
    request.addEventListener("load", () => {
      if (request.status !== 201) return this.tell(problemOf(request.responseText) || say(this.thread.desk, "unavailable"));
      this.files.value = "";
      key.value = newKey();
      const adding = /** @type {HTMLDetailsElement | null} */ (this.form.querySelector("details.add"));
      if (adding) adding.open = false;
      this.clear();
      if (!this.live.connected) location.reload();
    });
    request.open("POST", this.form.getAttribute("action") ?? "");
    request.setRequestHeader("Accept", "application/json");
    progress.value = 0;
    this.sending.hidden = false;
    this.tell("");
    request.send(new FormData(this.form));
  }
}

/**
 * @param {string} text
 * @returns {string}
 */
function problemOf(text) {
  try {
    return JSON.parse(text).error.detail;
  } catch {
    return "";
  }
}
