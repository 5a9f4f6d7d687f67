// The socket. What the server emits may be lost; so each connection begins by asking for all that lies after the cursor.

/**
 * @typedef {{kind: string, name: string}} Who
 * @typedef {{id: string, mine: boolean, author: Who, in_reply_to?: string}} Message
 * @typedef {{seq: number, kind: string, conversation: string, message: Message, fragment?: string}} Entry
 * @typedef {{entries: Entry[], cursor: number, more: boolean}} Page
 * @typedef {{error?: {code: string, detail: string}, message?: string, seq?: number}} Answer
 * @typedef {{entries: (entries: Entry[]) => void, moved: () => void, typing: (who: Who) => void, presence: (who: Who) => void,
 *            state: (connected: boolean) => void}} Listeners
 * @typedef {{mailbox: string, cursor: number, conversation: string, language: string}} Place
 */

const PATIENCE_MS = 15_000;
const AGAIN_MS = 5_000;
const LOOKS = ["visibilitychange", "focus", "pointerdown"]; // of a page that somebody looks at

export class Live {
  /** @param {Place} place */
  constructor(place) {
    this.place = place;
    this.cursor = place.cursor;
    /** @type {any} */
    this.socket = null;
    /** @type {Partial<Listeners>} */
    this.listeners = {};
    this.catchingUp = false;
  }

  /**
   * @template {keyof Listeners} K
   * @param {K} event
   * @param {Listeners[K]} listener
   */
  on(event, listener) {
    this.listeners[event] = listener;
  }

  async connect() {
    let io;
    try {
      ({ io } = await import("./vendor/socket.io.esm.min.js"));
    } catch {
      return; // the page works without it
    }
    this.socket = io({ transports: ["websocket"], reconnectionDelayMax: 20_000, randomizationFactor: 0.7 });
    this.socket.on("connect", () => this.catchUp());
    this.socket.on("disconnect", (/** @type {string} */ why) => {
      this.listeners.state?.(false);
      if (why === "io server disconnect") this.returnWhenSeen();
    });
    this.socket.on("connect_error", (/** @type {Error} */ error) => {
      if (error.message === "unauthorised") location.reload(); // the session ended: the page says how to come back
      else if (!this.socket.active) setTimeout(() => this.socket.connect(), AGAIN_MS); // a refusal ends the library's tries
    });
    this.socket.on("entries", (/** @type {Page & {mailbox: string}} */ page) => {
      if (page.mailbox === this.place.mailbox && !this.catchingUp) this.take(page);
    });
    for (const event of /** @type {("typing" | "presence")[]} */ (["typing", "presence"])) {
      this.socket.on(event, (/** @type {{conversation: string, who: Who}} */ told) => {
        if (told.conversation === this.place.conversation) this.listeners[event]?.(told.who);
      });
    }
    addEventListener("online", () => this.startAfresh());
  }

  /** The network is back: now, and not when the pause since the last try (20 s and more after a long cut) is over. */
  startAfresh() {
    if (this.connected) return;
    this.socket.disconnect(); // connect() alone does nothing while a pause runs
    this.socket.connect();
  }

  /** Ask for everything after the cursor, a page at a time. */
  async catchUp() {
    this.catchingUp = true;
    try {
      let more = true;
      while (more) {
        const { mailbox, conversation, language } = this.place;
        const page = await this.ask("sync", { mailbox, cursor: this.cursor, render: { conversation, language } });
        if (page.error) throw new Error(page.error.code);
        this.take(page);
        more = page.more;
      }
      this.listeners.state?.(true);
    } catch {
      this.socket.disconnect();
      setTimeout(() => this.socket.connect(), AGAIN_MS);
    } finally {
      this.catchingUp = false;
    }
  }

  /** @param {Page} page */
  take(page) {
    const fresh = page.entries.filter((entry) => entry.seq > this.cursor);
    const moved = page.cursor > this.cursor; // also by what is no message: read, archived, labelled on another device
    this.cursor = Math.max(this.cursor, page.cursor);
    if (fresh.length) this.listeners.entries?.(fresh);
    if (moved) this.listeners.moved?.();
  }

  /**
   * @param {string} event
   * @param {object} payload
   * @returns {Promise<any>}
   */
  ask(event, payload) {
    return this.socket.timeout(PATIENCE_MS).emitWithAck(event, payload);
  }

  get connected() {
    return Boolean(this.socket?.connected);
  }

  /**
   * @param {string} conversation
   * @param {number} upTo
   */
  read(conversation, upTo) {
    if (this.connected) this.ask("read", { conversation, up_to: upTo, mailbox: this.place.mailbox }).catch(() => {});
  }

  /** @param {string} conversation */
  typing(conversation) {
    if (this.connected) this.socket.emit("typing", { conversation, mailbox: this.place.mailbox });
  }

  /** The server ended it (the session, or a sixth window): try again when somebody looks. */
  returnWhenSeen() {
    const again = () => {
      if (document.visibilityState === "visible") {
        for (const look of LOOKS) removeEventListener(look, again, true);
        this.socket.connect();
      }
    };
    for (const look of LOOKS) addEventListener(look, again, true);
    fetch(location.href, { method: "HEAD", redirect: "manual" }).then((answer) => {
      // The session ended, or the right to somebody else's space: nothing of it stays on screen.
      if (answer.type === "opaqueredirect" || answer.status === 404) location.reload();
    }, () => {});
  }
}
