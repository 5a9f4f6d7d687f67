// Where one writes in a thread: the words, what goes with them, whom they are for. `outbox.js` sends, `drafts.js` keeps,
// `uploads.js` sends files ahead. The form stays the one that works without any of them.

import { Drafts } from "./drafts.js";
import { newKey, say } from "./little.js";
import { Outbox } from "./outbox.js";
import { Uploads } from "./uploads.js";

const TYPING_MS = 3_000;
const NEARLY = 0.9;
const YEAR_S = 31_536_000;
const PRESS_MS = 500; // from lifting a finger to the click it makes

export class Composer {
  /**
   * @param {HTMLFormElement} form
   * @param {import("./thread.js").Thread} thread
   * @param {import("./live.js").Live} live
   * @param {string} base
   */
  constructor(form, thread, live, base) {
    this.form = form;
    this.thread = thread;
    this.live = live;
    this.text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text"));
    this.quick = /** @type {HTMLElement | null} */ (thread.desk.querySelector("[data-quick-list]"));
    this.typed = 0;
    this.drafts = new Drafts(form, thread.desk, `${form.getAttribute("action")}/draft`, base);
    this.uploads = new Uploads(form, thread.desk, base, {
      tell: (problem) => this.tell(problem),
      settled: () => this.filesAreReady(),
    });
    this.outbox = new Outbox(form, thread, live, (letter) => this.takeBack(letter));
    if (this.outbox.restore().includes(this.drafts.id)) this.clear(); // it is on its way already
    form.addEventListener("submit", (event) => this.submit(event));
    this.text.addEventListener("keydown", (event) => this.key(event));
    this.text.addEventListener("input", () => this.onInput());
    form.querySelector("[data-cancel]")?.addEventListener("click", () => this.waiting(false));
    this.watchChoices();
    this.holdWhilePressed();
    this.text.setSelectionRange(this.text.value.length, this.text.value.length); // one goes on at the end
    countRoom(this.text, form, thread.desk);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    const chosen = "enter" in this.form.dataset && !event.shiftKey && !event.altKey;
    if (!chosen && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  onInput() {
    this.thank(false);
    if (Date.now() - this.typed > TYPING_MS) {
      this.typed = Date.now();
      this.live.typing(this.live.place.conversation);
    }
  }

  /** @param {string} problem */
  tell(problem) {
    const told = /** @type {HTMLElement} */ (this.form.querySelector("[data-problem]"));
    told.textContent = problem;
    told.hidden = !problem;
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    if (event.submitter?.hasAttribute("formaction")) return; // to the documents of the dossier
    event.preventDefault();
    if (this.uploads.busy) return this.waiting(true);
    this.waiting(false);
    const letter = this.letter();
    if (!letter.text.trim() && !letter.files.length && !letter.documents.length) return this.text.focus();
    this.clear();
    this.outbox.add(letter);
    this.text.focus();
  }

  /** @returns {import("./outbox.js").Letter} */
  letter() {
    const fields = this.drafts.fields();
    const names = (/** @type {string} */ kind) =>
      [...fields.keys()].filter((name) => name.startsWith(`${kind}.`)).map((name) => name.slice(kind.length + 1));
    const chips = this.form.querySelectorAll(".chip:has(input:checked) [dir]");
    return {
      key: newKey(),
      text: this.text.value,
      files: names("file"),
      documents: names("document"),
      names: [...chips].map((chip) => chip.textContent ?? ""),
      only: String(fields.get("only") ?? ""),
      inReplyTo: String(fields.get("in_reply_to") ?? ""),
      draft: this.drafts.id,
      version: this.drafts.version,
    };
  }

  /** An empty sheet, for everybody. */
  clear() {
    this.text.value = "";
    this.uploads.clear();
    this.answer("", "");
    this.choose("");
    this.form.querySelectorAll("details").forEach((details) => (details.open = false));
    this.form.querySelectorAll(".error:not([data-problem])").forEach((note) => note.remove());
    this.tell("");
    this.thank(false);
    this.drafts.cleared();
    this.text.dispatchEvent(new Event("counted"));
  }

  /** @param {import("./outbox.js").Letter} letter */
  takeBack(letter) {
    const before = this.text.value.trimEnd();
    this.text.value = before ? `${before}\n\n${letter.text}` : letter.text;
    if (!before) {
      this.drafts.field("draft").value = letter.draft;
      this.drafts.field("version").value = String(letter.version);
    }
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
    this.text.focus();
  }

  /**
   * Send is pressed and files are still on their way: the message leaves when they are there.
   * @param {boolean} now
   */
  waiting(now) {
    this.sendsWhenReady = now;
    /** @type {HTMLElement} */ (this.form.querySelector("[data-waiting]")).hidden = !now;
  }

  filesAreReady() {
    if (this.sendsWhenReady) this.form.requestSubmit();
  }

  watchChoices() {
    this.thread.desk.addEventListener("click", (event) => {
      const link = /** @type {HTMLElement} */ (event.target).closest("a");
      const { quick, reply, name = "" } = link?.dataset ?? {};
      const no = link?.hasAttribute("data-answer-no");
      if (quick === undefined && reply === undefined && !no) return;
      event.preventDefault();
      if (quick !== undefined) this.begin(quick);
      else if (reply !== undefined) this.answer(reply, name);
      else this.answer("", "");
      this.text.focus();
    });
    this.form.addEventListener("change", (event) => {
      const box = /** @type {HTMLInputElement} */ (event.target);
      if (box.name === "only") this.showWhom();
      if (box.matches?.("[data-enter-sends]")) this.enterSends(box.checked);
    });
  }

  /**
   * On a phone the sheet becomes one line when it loses the focus; a press elsewhere takes the focus before it becomes a
   * click, and what was pressed would have moved away from under the finger. So would what is pressed in the sheet of
   * one line, which grows with the focus: it takes the focus once it is a click.
   */
  holdWhilePressed() {
    const release = () => this.form.classList.remove("held");
    document.addEventListener("pointerdown", () => {
      clearTimeout(this.held);
      if (this.form.contains(document.activeElement)) this.form.classList.add("held");
    }, true);
    document.addEventListener("pointercancel", release, true); // it became a scroll
    document.addEventListener("pointerup", () => (this.held = setTimeout(release, PRESS_MS)), true);
    document.addEventListener("click", () => setTimeout(release), true);
    this.form.addEventListener("mousedown", (event) => {
      const pressed = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("summary, button"));
      if (!pressed || this.form.contains(document.activeElement)) return;
      event.preventDefault();
      pressed.addEventListener("click", () => pressed.focus(), { once: true });
    });
  }

  /** @param {string} words */
  begin(words) {
    this.text.value = words;
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /**
   * @param {string} message
   * @param {string} name of who wrote it, who alone is answered; everybody can be chosen again
   */
  answer(message, name) {
    this.drafts.field("in_reply_to").value = message;
    const note = /** @type {HTMLElement} */ (this.form.querySelector("[data-answering]"));
    note.hidden = !message;
    /** @type {HTMLElement} */ (note.querySelector("[data-answered]")).textContent = say(this.thread.desk, "answering", { name });
    this.choose(name);
    this.drafts.changed();
  }

  /** @param {string} name */
  choose(name) {
    const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (this.form.querySelectorAll("input[name=only]"));
    const one = [...boxes].find((box) => name && box.value && box.dataset.name?.startsWith(name)) ?? boxes[0];
    if (one) one.checked = true;
    this.showWhom();
  }

  showWhom() {
    const chosen = /** @type {HTMLInputElement | null} */ (this.form.querySelector("input[name=only]:checked"));
    const shown = this.form.querySelector("[data-to]");
    if (chosen && shown) shown.textContent = chosen.dataset.name ?? "";
  }

  /**
   * A wish about this keyboard: kept on this device, read by the server for what the page says of it.
   * @param {boolean} now
   */
  enterSends(now) {
    if (now) this.form.dataset.enter = "";
    else delete this.form.dataset.enter;
    document.cookie = `pli-enter=${now ? 1 : 0}; path=/; max-age=${YEAR_S}; SameSite=Lax`;
  }

  /** @param {boolean} now */
  thank(now) {
    if (this.quick) this.quick.hidden = !now;
  }

  /**
   * What just came into the thread: a letter can be answered in a word, one's own ends that.
   * @param {import("./live.js").Entry[]} entries
   */
  noticed(entries) {
    const here = entries.filter((entry) => entry.conversation === this.live.place.conversation && entry.kind === "message");
    const last = here[here.length - 1];
    if (last) this.thank(!last.message.mine && !this.text.value && ["professional", "team", "holder"].includes(last.message.author.kind));
  }

  /** The live socket came or went. */
  connected() {
    this.outbox.wake();
  }
}

/**
 * How many characters are left, from nine tenths on.
 * @param {HTMLTextAreaElement} text
 * @param {HTMLFormElement} form
 * @param {ParentNode} sayings
 */
export function countRoom(text, form, sayings) {
  const told = /** @type {HTMLElement} */ (form.querySelector("[data-count]"));
  const count = () => {
    told.hidden = text.value.length < NEARLY * text.maxLength;
    const room = (text.maxLength - text.value.length).toLocaleString(document.documentElement.lang);
    if (!told.hidden) told.textContent = say(sayings, "room", { room });
  };
  for (const event of ["input", "counted"]) text.addEventListener(event, count);
  count();
}
