// What is being written, kept on the server while one types, so that another device can go on. On this one the words
// stay in the tab alone (sessionStorage), and only until the server has them: a health message in clear text on a shared
// computer would be for whoever sits down next. Signing out erases them (Clear-Site-Data).

import { newKey, say } from "./little.js";

const SOON_MS = 1_000;
const AGAIN_MS = 10_000;
const KEEPALIVE_OCTETS = 60_000; // what a browser sends for a page that is gone (Fetch § 4.6: 64 KiB)

/**
 * @typedef {{id: string, version: number, text: string, at: string, other: string, with: string[]}} Kept
 */

export class Drafts {
  /**
   * @param {HTMLFormElement} form
   * @param {ParentNode} sayings
   * @param {string} place where this sheet's drafts are kept
   * @param {string} base
   */
  constructor(form, sayings, place, base) {
    this.form = form;
    this.sayings = sayings;
    this.place = place;
    this.base = base;
    this.text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text"));
    this.state = /** @type {HTMLElement} */ (form.querySelector("[data-kept]"));
    this.saved = this.content();
    this.name = `pli-unsaved-${form.dataset.me}-${place}`;
    /** @type {Promise<void>} */
    this.saving = Promise.resolve();
    this.flying = 0;
    this.closed = false;
    form.querySelectorAll("[data-plain]").forEach((button) => button.remove());
    this.restore();
    form.addEventListener("input", () => this.hold());
    form.addEventListener("input", () => this.changed());
    form.addEventListener("change", () => this.changed());
    form.addEventListener("focusout", () => this.save());
    addEventListener("pagehide", () => this.save(true));
    addEventListener("online", () => this.save());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.save(true);
      else this.comeBack();
    });
    addEventListener("focus", () => this.comeBack());
  }

  /** The words in this tab, until the server has them. */
  hold() {
    try {
      if (this.text.value) sessionStorage.setItem(this.name, JSON.stringify([this.id, this.version, this.text.value]));
      else sessionStorage.removeItem(this.name);
    } catch {
      // a full or forbidden store costs what a reload within a second would
    }
  }

  /** The page was left before the server had them. */
  restore() {
    try {
      const [id, version, text] = JSON.parse(sessionStorage.getItem(this.name) ?? "[]");
      if (!text || text === this.text.value) return;
      [this.field("draft").value, this.field("version").value, this.text.value] = [id, String(version), text];
      this.changed();
    } catch {
      sessionStorage.removeItem(this.name); // nobody else writes there; what cannot be read is nothing
    }
  }

  /** @param {string} name */
  field(name) {
    return /** @type {HTMLInputElement} */ (this.form.elements.namedItem(name));
  }

  get id() {
    return this.field("draft").value;
  }

  get version() {
    return Number(this.field("version").value);
  }

  /** The fields of the sheet, without the octets of its files. */
  fields() {
    const fields = new FormData(this.form);
    for (const [name, value] of [...fields]) if (typeof value !== "string") fields.delete(name);
    return fields;
  }

  /** What would be kept, to be compared. */
  content() {
    const kept = /^(text|subject|in_reply_to|only|file\..*|document\..*)$/;
    return JSON.stringify([...this.fields()].filter(([name]) => kept.test(name)));
  }

  /** The names of what goes with it. */
  with() {
    const found = [...this.fields().keys()].filter((name) => /^(file|document)\./.test(name));
    return found.map((name) => name.slice(name.indexOf(".") + 1)).sort();
  }

  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SOON_MS);
  }

  /**
   * Keep what stands here now. One after the other: a later text never arrives before an earlier one.
   * @param {boolean} [leaving] the page goes: the browser sends it without us
   */
  async save(leaving = false) {
    clearTimeout(this.timer);
    const now = () => {
      const content = this.content();
      return content === this.saved || this.closed ? undefined : this.send(content, leaving);
    };
    if (leaving) return now();
    this.saving = this.saving.then(now);
    return this.saving;
  }

  /**
   * @param {string} content
   * @param {boolean} leaving
   */
  async send(content, leaving) {
    const id = this.id;
    this.flying += 1;
    try {
      const answer = await fetch(this.place, {
        method: "POST",
        body: this.fields(),
        headers: { Accept: "application/json" },
        keepalive: leaving && content.length < KEEPALIVE_OCTETS,
      });
      if (id !== this.id) return; // it was sent meanwhile
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.json();
      if (told.gone) return this.goneElsewhere();
      this.take(told, content);
    } catch {
      if (id !== this.id) return;
      this.tell(say(this.sayings, "kept-not"));
      this.timer = setTimeout(() => this.save(), AGAIN_MS);
    } finally {
      this.flying -= 1;
    }
  }

  /**
   * @param {Kept} kept
   * @param {string} content
   */
  take(kept, content) {
    this.saved = content;
    if (content === this.content()) sessionStorage.removeItem(this.name);
    this.field("version").value = String(kept.version);
    this.tell(kept.version ? say(this.sayings, "kept", { when: kept.at }) : "");
    if (kept.other) this.offer(kept.other);
  }

  /** It was sent or thrown away on another device; what was written here since is a new draft. */
  goneElsewhere() {
    this.tell(say(this.sayings, "draft-sent"));
    this.begin();
    this.saved = "";
    this.changed();
  }

  /**
   * Another device wrote at the same time: its words are one press away.
   * @param {string} id
   */
  offer(id) {
    const told = document.createElement("p");
    told.className = "other-draft";
    const link = document.createElement("a");
    link.href = `${this.base}/drafts/${id}`;
    link.textContent = say(this.sayings, "draft-take");
    told.append(`${say(this.sayings, "draft-other")} `, link);
    this.form.prepend(told);
  }

  /** @param {string} words */
  tell(words) {
    this.state.textContent = words;
  }

  /** A new sheet: the next save makes another draft. */
  begin() {
    clearTimeout(this.timer);
    this.field("draft").value = newKey();
    this.field("version").value = "0";
  }

  /** The sheet is empty again, as it should be kept: not at all. */
  cleared() {
    this.begin();
    this.saved = this.content();
    sessionStorage.removeItem(this.name);
    this.tell("");
  }

  /** Back on this device: another one may have gone on with it. */
  async comeBack() {
    if (!this.version || this.flying || this.content() !== this.saved || document.visibilityState === "hidden") return;
    const id = this.id;
    const answer = await fetch(`${this.base}/drafts/${id}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer || id !== this.id || this.content() !== this.saved) return;
    if (answer.status === 404) {
      this.text.value = "";
      this.form.querySelectorAll(".chip").forEach((chip) => chip.remove());
      this.cleared();
      this.tell(say(this.sayings, "draft-sent"));
    } else if (answer.ok) {
      /** @type {Kept} */
      const kept = await answer.json();
      if (kept.version <= this.version) return;
      if (JSON.stringify(kept.with) !== JSON.stringify(this.with())) return location.reload(); // files came or went
      this.text.value = kept.text;
      this.take(kept, this.content());
    }
  }
}
