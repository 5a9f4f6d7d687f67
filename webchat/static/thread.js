// The thread on screen: an entry goes in once, by its id, in the order of its number; nothing jumps.

import { copy, element, say } from "./little.js";

const NEAR_PX = 160;
const TYPING_MS = 4_000;
const HERE_MS = 120_000;

export class Thread {
  /**
   * @param {HTMLElement} desk
   * @param {string} conversation
   */
  constructor(desk, conversation) {
    this.desk = desk;
    this.conversation = conversation;
    this.log = /** @type {HTMLElement} */ (desk.querySelector("[data-log]"));
    this.list = /** @type {HTMLElement} */ (desk.querySelector("[data-entries]"));
    this.pill = /** @type {HTMLButtonElement} */ (desk.querySelector("[data-pill]"));
    this.typist = /** @type {HTMLElement} */ (desk.querySelector("[data-typing]"));
    this.here = /** @type {HTMLElement} */ (desk.querySelector("[data-presence]"));
    this.latest = !new URLSearchParams(location.search).has("before");
    /** @type {(upTo: number) => void} */
    this.onRead = () => {};
    this.readUpTo = 0;
    /** @type {Map<string, HTMLElement>} what is being sent, by its message id once known */
    this.pending = new Map();
    this.pill.addEventListener("click", () => this.toEnd(true));
    document.addEventListener("visibilitychange", () => this.markSeen());
    addEventListener("scroll", () => this.markSeen(), { passive: true });
    if (this.latest && !location.hash) this.toEnd(false);
  }

  /** @param {import("./live.js").Entry} entry */
  take(entry) {
    if (entry.conversation !== this.conversation || !entry.fragment) return;
    const fresh = element(entry.fragment);
    if (!fresh) return;
    const known = document.getElementById(fresh.id) ?? this.pending.get(entry.message.id) ?? null;
    this.pending.delete(entry.message.id);
    if (known) this.replace(known, fresh);
    else if (this.latest && entry.kind === "message") this.append(entry, fresh);
  }

  /**
   * The same message in a new state: not news, so it is not announced.
   * @param {HTMLElement} known
   * @param {HTMLElement} fresh
   */
  replace(known, fresh) {
    if (known.dataset.seq) fresh.dataset.seq = known.dataset.seq; // a change has a number of its own; its place is the first one
    this.quietly(() => {
      const open = [...known.querySelectorAll("details")].map((details) => details.open);
      const focused = known.contains(document.activeElement);
      known.replaceWith(fresh);
      fresh.querySelectorAll("details").forEach((details, number) => (details.open = open[number] ?? false));
      if (focused) {
        fresh.tabIndex = -1;
        fresh.focus({ preventScroll: true });
      }
    });
  }

  /**
   * @param {import("./live.js").Entry} entry
   * @param {HTMLElement} fresh
   */
  append(entry, fresh) {
    const atEnd = this.nearEnd();
    const add = () => {
      this.day(fresh);
      const later = [.../** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll(".entry"))].find(
        (other) => Number(other.dataset.seq ?? Infinity) > entry.seq,
      );
      this.list.insertBefore(fresh, later ?? null);
    };
    if (entry.message.mine) this.quietly(add);
    else add();
    fresh.classList.add("arrived");
    this.typist.hidden = true;
    if (atEnd || entry.message.mine) this.toEnd(true);
    else this.pill.hidden = false;
    this.markSeen();
  }

  /**
   * A new day gets its line.
   * @param {HTMLElement} fresh
   */
  day(fresh) {
    const days = /** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll("[data-day]"));
    const last = days[days.length - 1]?.dataset.day;
    const day = fresh.dataset.day;
    if (!day || day === last) return;
    const line = document.createElement("li");
    line.className = "day";
    line.dataset.day = day;
    const text = document.createElement("p");
    const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "full" });
    text.textContent = `${say(this.desk, "today")} · ${format.format(new Date(`${day}T12:00:00`))}`;
    line.append(text);
    this.list.append(line);
  }

  /**
   * One's own words, at once, before the server has them.
   * @param {string} text
   * @returns {HTMLElement}
   */
  write(text) {
    const bubble = copy(this.desk, "pending");
    const paragraph = /** @type {HTMLElement} */ (bubble.querySelector(".text p"));
    paragraph.textContent = text;
    paragraph.classList.add("as-written");
    this.quietly(() => this.list.append(bubble));
    this.toEnd(true);
    return bubble;
  }

  /**
   * The server has it, as this message: its rendering takes the bubble's place when it comes.
   * @param {HTMLElement} bubble
   * @param {string} message
   */
  sent(bubble, message) {
    if (document.getElementById(`m-${message}`)) bubble.remove();
    else if (bubble.isConnected) this.pending.set(message, bubble);
  }

  /**
   * It was not sent: said in its place, with a way to try again.
   * @param {HTMLElement} bubble
   * @param {string} why
   * @param {() => void} again
   */
  unsent(bubble, why, again) {
    const told = copy(this.desk, "unsent");
    /** @type {HTMLElement} */ (told.querySelector("[data-why]")).textContent = why;
    told.querySelector("[data-retry]")?.addEventListener("click", () => {
      told.replaceWith(/** @type {Node} */ (copy(this.desk, "pending").querySelector(".state")));
      again();
    });
    bubble.querySelector(".state")?.replaceWith(told);
  }

  /** @param {() => void} change */
  quietly(change) {
    this.log.setAttribute("aria-live", "off");
    change();
    setTimeout(() => this.log.setAttribute("aria-live", "polite"), 100);
  }

  nearEnd() {
    const page = document.documentElement;
    return page.scrollHeight - page.clientHeight - page.scrollTop < NEAR_PX;
  }

  /** @param {boolean} gently */
  toEnd(gently) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.pill.hidden = true;
    scrollTo({ top: document.documentElement.scrollHeight, behavior: gently && !calm ? "smooth" : "instant" });
  }

  /** What is on a screen somebody looks at is read. */
  markSeen() {
    if (document.visibilityState !== "visible" || !this.latest) return;
    if (this.nearEnd()) this.pill.hidden = true;
    const bottom = innerHeight;
    let upTo = this.readUpTo;
    for (const entry of /** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll(".entry.arrived"))) {
      if (entry.getBoundingClientRect().top < bottom) upTo = Math.max(upTo, Number(entry.dataset.seq ?? 0));
    }
    if (upTo > this.readUpTo) {
      this.readUpTo = upTo;
      this.onRead(upTo);
    }
  }

  /** @param {string} name */
  typing(name) {
    this.typist.textContent = say(this.desk, "typing", { name });
    this.typist.hidden = false;
    clearTimeout(this.typingTimer);
    this.typingTimer = setTimeout(() => (this.typist.hidden = true), TYPING_MS);
  }

  /** @param {string} name */
  presence(name) {
    this.here.textContent = say(this.desk, "here", { name });
    clearTimeout(this.hereTimer);
    this.hereTimer = setTimeout(() => (this.here.textContent = ""), HERE_MS);
  }

  /** @param {boolean} now */
  connected(now) {
    clearTimeout(this.offlineTimer);
    if (now) {
      if (this.here.textContent === say(this.desk, "offline")) this.here.textContent = "";
    } else {
      this.offlineTimer = setTimeout(() => (this.here.textContent = say(this.desk, "offline")), 3_000);
    }
  }
}
