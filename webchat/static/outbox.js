// What leaves: it stands in the thread at once, goes in order, is tried again when the network or the server is back,
// and says « not sent » when it was not. The same key on every attempt: it arrives once, whatever became of the answers.
//
// Until it is accepted it is kept in this tab only (sessionStorage), so that a reload loses nothing: a health message in
// clear text must not outlive the tab on a shared computer. Signing out erases it (Clear-Site-Data); the draft on the
// server has the words too, until the message does.

import { copy, element, say } from "./little.js";

const WAITS_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/**
 * @typedef {{key: string, text: string, files: string[], documents: string[], names: string[], only: string,
 *            inReplyTo: string, draft: string, version: number}} Letter
 * @typedef {{letter: Letter, bubble: HTMLElement, failed: boolean, tries: number}} Leaving
 * @typedef {{message?: string, later?: boolean, why?: string}} Outcome
 */

export class Outbox {
  /**
   * @param {HTMLFormElement} form
   * @param {import("./thread.js").Thread} thread
   * @param {import("./live.js").Live} live
   * @param {(letter: Letter) => void} giveBack puts the words back where one writes
   */
  constructor(form, thread, live, giveBack) {
    this.form = form;
    this.thread = thread;
    this.live = live;
    this.giveBack = giveBack;
    this.name = `pli-outbox-${form.dataset.me}-${live.place.mailbox}-${live.place.conversation}`;
    /** @type {Leaving[]} */
    this.leaving = [];
    this.running = false;
    this.wake = () => {};
    for (const again of ["online", "focus"]) addEventListener(again, () => this.wake());
    document.addEventListener("visibilitychange", () => this.wake());
  }

  /** What a reload interrupted goes on. Returns the drafts that these letters are. */
  restore() {
    /** @type {Letter[]} */
    let letters = [];
    try {
      letters = JSON.parse(sessionStorage.getItem(this.name) ?? "[]");
    } catch {
      // nobody else writes there; what cannot be read is nothing
    }
    for (const letter of letters) this.put(letter);
    this.run();
    return letters.map((letter) => letter.draft);
  }

  /** @param {Letter} letter */
  add(letter) {
    this.put(letter);
    this.store();
    this.run();
  }

  /** @param {Letter} letter */
  put(letter) {
    const shown = [letter.text, ...letter.names.map((name) => `📎 ${name}`)].filter(Boolean).join("\n");
    this.leaving.push({ letter, bubble: this.thread.write(shown), failed: false, tries: 0 });
  }

  store() {
    const letters = this.leaving.map((item) => item.letter);
    try {
      if (letters.length) sessionStorage.setItem(this.name, JSON.stringify(letters));
      else sessionStorage.removeItem(this.name);
    } catch {
      // a full or forbidden store costs the reload, not the sending
    }
  }

  /** One after the other, in the order they were written. */
  async run() {
    if (this.running) return;
    this.running = true;
    for (let item = this.next(); item; item = this.next()) {
      const outcome = await this.attempt(item.letter);
      if (outcome.message) await this.arrived(item, outcome.message);
      else if (outcome.later) await this.wait(item);
      else this.fail(item, outcome.why ?? say(this.thread.desk, "unavailable"));
    }
    this.running = false;
  }

  next() {
    return this.leaving.find((item) => !item.failed);
  }

  /**
   * By the live socket when there is one, else by the route of the form.
   * @param {Letter} letter
   * @returns {Promise<Outcome>}
   */
  async attempt(letter) {
    try {
      return await (this.live.connected ? this.bySocket(letter) : this.byForm(letter));
    } catch {
      return { later: true }; // no answer: it may have arrived, and the same key tells
    }
  }

  /**
   * @param {Letter} letter
   * @returns {Promise<Outcome>}
   */
  async bySocket(letter) {
    const { mailbox, conversation } = this.live.place;
    const answer = await this.live.ask("post", {
      conversation, mailbox, text: letter.text, client_key: letter.key, attachments: letter.files,
      documents: letter.documents, in_reply_to: letter.inReplyTo, only: letter.only, draft: letter.draft,
    });
    if (answer.message) return { message: answer.message };
    const later = ["unavailable", "too_often", "unauthorised"].includes(answer.error?.code);
    return { later, why: answer.error?.detail };
  }

  /**
   * @param {Letter} letter
   * @returns {Promise<Outcome>}
   */
  async byForm(letter) {
    const body = new FormData();
    const fields = { text: letter.text, client_key: letter.key, in_reply_to: letter.inReplyTo, only: letter.only, draft: letter.draft };
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    for (const id of letter.files) body.set(`file.${id}`, "1");
    for (const id of letter.documents) body.set(`document.${id}`, "1");
    const place = this.form.getAttribute("action") ?? "";
    const answer = await fetch(place, { method: "POST", body, headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (answer.status === 201) return { message: told.message };
    return { later: answer.status >= 500 || answer.status === 429 || answer.status === 401, why: told.error?.detail };
  }

  /**
   * @param {Leaving} item
   * @param {string} message
   */
  async arrived(item, message) {
    this.leaving = this.leaving.filter((other) => other !== item);
    this.store();
    this.thread.sent(item.bubble, message);
    if (this.live.connected || !item.bubble.isConnected) return;
    const place = `${this.form.getAttribute("action")}/m/${message}`;
    const answer = await fetch(place).catch(() => null);
    const fresh = answer?.ok ? element(await answer.text()) : null;
    if (fresh && item.bubble.isConnected && !document.getElementById(fresh.id)) {
      this.thread.quietly(() => item.bubble.replaceWith(fresh));
    }
  }

  /**
   * Not now: it says so, and is tried again by itself.
   * @param {Leaving} item
   */
  async wait(item) {
    const pause = WAITS_MS[Math.min(item.tries, WAITS_MS.length - 1)];
    item.tries += 1;
    this.say(item, say(this.thread.desk, "waits"));
    await new Promise((go) => {
      this.wake = () => go(undefined);
      setTimeout(go, pause);
    });
    this.wake = () => {};
  }

  /**
   * Never like this: it says why, and gives the words back.
   * @param {Leaving} item
   * @param {string} why
   */
  fail(item, why) {
    item.failed = true;
    this.say(item, why);
  }

  /**
   * @param {Leaving} item
   * @param {string} why
   */
  say(item, why) {
    const told = copy(this.thread.desk, "unsent");
    /** @type {HTMLElement} */ (told.querySelector("[data-why]")).textContent = why;
    const take = /** @type {HTMLElement} */ (told.querySelector("[data-take]"));
    take.hidden = !item.failed; // while it is tried it may have arrived: the words would be sent twice
    take.addEventListener("click", () => this.takeBack(item));
    told.querySelector("[data-retry]")?.addEventListener("click", () => this.again(item));
    item.bubble.querySelector(".state")?.replaceWith(told);
  }

  /** @param {Leaving} item */
  again(item) {
    item.failed = false;
    item.bubble.querySelector(".state")?.replaceWith(/** @type {Node} */ (copy(this.thread.desk, "pending").querySelector(".state")));
    this.wake();
    this.run();
  }

  /** @param {Leaving} item */
  takeBack(item) {
    this.leaving = this.leaving.filter((other) => other !== item);
    this.store();
    item.bubble.remove();
    this.giveBack(item.letter);
  }
}
