// The thread on screen: an entry goes in once, by its id, in the order of its number; nothing jumps. A new message is
// said aloud once, in a few words, beside the log: what changes, or was there before, is not said again.

import { History } from "./history.js";
import { copy, element, say } from "./little.js";

const NEAR_PX = 160;
const TYPING_MS = 4_000;
const HERE_MS = 120_000;
const SAID = 10; // announcements that stay in the page

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
    this.said = /** @type {HTMLElement} */ (desk.querySelector("[data-said]"));
    this.history = new History(this.log, this.list, `${desk.dataset.base ?? ""}/c/${conversation}/entries`);
    this.history.onBelow = (entries) => this.unseen(entries);
    this.unreadAbove = Number(this.log.dataset.new) || 0;
    /** @type {(upTo: number) => void} */
    this.onRead = () => {};
    this.readUpTo = 0;
    /** @type {Map<string, HTMLElement>} what is being sent, by its message id once known */
    this.pending = new Map();
    this.pill.addEventListener("click", () => this.toLatest());
    document.addEventListener("visibilitychange", () => this.markSeen());
    addEventListener("scroll", () => this.markSeen(), { passive: true });
    this.list.addEventListener("click", (event) => this.leave(event));
    this.open();
  }

  get latest() {
    return this.history.atEnd;
  }

  /** Where one comes in: where one was, at what is new, else at the end. */
  open() {
    const [way] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    const named = location.hash ? document.getElementById(location.hash.slice(1)) : document.getElementById("new");
    if (named && (!location.hash || way?.type === "back_forward")) named.scrollIntoView({ behavior: "instant" });
    else if (!location.hash && this.latest && way?.type !== "back_forward") this.toEnd(false);
  }

  /**
   * To a document: coming back leads to its message, whatever was loaded meanwhile.
   * @param {MouseEvent} event
   */
  leave(event) {
    const link = /** @type {HTMLElement} */ (event.target).closest("a[data-view]");
    const entry = link?.closest(".entry");
    if (entry) history.replaceState(null, "", `?at=${entry.id.slice(2)}#${entry.id}`);
  }

  /** @param {import("./live.js").Entry} entry */
  take(entry) {
    if (entry.conversation !== this.conversation || !entry.fragment) return;
    const fresh = element(entry.fragment);
    if (!fresh) return;
    const known = document.getElementById(fresh.id) ?? this.pending.get(entry.message.id) ?? null;
    this.pending.delete(entry.message.id);
    if (known) this.replace(known, fresh);
    else if (entry.kind === "message") this.arrive(entry, fresh);
  }

  /**
   * @param {import("./live.js").Entry} entry
   * @param {HTMLElement} fresh
   */
  arrive(entry, fresh) {
    this.announce(fresh.dataset.said ?? "");
    if (this.latest) this.append(entry, fresh);
    else this.pill.hidden = false;
  }

  /** @param {string} words */
  announce(words) {
    if (!words) return;
    const line = document.createElement("p");
    line.textContent = words;
    this.said.append(line);
    if (this.said.children.length > SAID) this.said.firstElementChild?.remove();
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
    add();
    fresh.classList.add("arrived");
    this.unseen([fresh]);
    this.typist.hidden = true;
    if (atEnd || entry.message.mine || this.answersMe(entry)) this.toEnd(true);
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
    if (!this.latest) return location.assign(`?at=${message}#m-${message}`); // it stands at the end, which is elsewhere
    if (document.getElementById(`m-${message}`)) return bubble.remove();
    const state = bubble.querySelector(".state");
    if (state) state.replaceChildren(say(this.desk, "sent"));
    state?.classList.remove("failed");
    if (bubble.isConnected) this.pending.set(message, bubble);
  }

  /**
   * The log is silent by itself: see `announce`.
   * @param {() => void} change
   */
  quietly(change) {
    change();
  }

  /**
   * Pli itself answers at once, while one's own words still glide up: whom to call must not lie below the screen.
   * @param {import("./live.js").Entry} entry
   */
  answersMe(entry) {
    const asked = entry.message.in_reply_to && document.getElementById(`m-${entry.message.in_reply_to}`);
    return entry.message.author.kind === "system" && Boolean(asked && asked.classList.contains("mine"));
  }

  nearEnd() {
    const page = document.documentElement;
    return page.scrollHeight - page.clientHeight - page.scrollTop < NEAR_PX;
  }

  toLatest() {
    if (this.latest) this.toEnd(true);
    else /** @type {HTMLElement | null} */ (this.log.querySelector("a[data-latest]"))?.click();
  }

  /** @param {boolean} gently */
  toEnd(gently) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.pill.hidden = true;
    scrollTo({ top: document.documentElement.scrollHeight, behavior: gently && !calm ? "smooth" : "instant" });
  }

  /** @param {HTMLElement[]} entries */
  unseen(entries) {
    for (const entry of entries) entry.dataset.unseen = "";
    this.markSeen();
  }

  /** What is on a screen somebody looks at is read; not what lies unread above the part that is shown. */
  markSeen() {
    if (document.visibilityState !== "visible") return;
    if (this.latest && this.nearEnd()) this.pill.hidden = true;
    const first = /** @type {HTMLElement | null} */ (this.list.querySelector(".entry[data-seq]"));
    if (this.unreadAbove && this.unreadAbove < Number(first?.dataset.seq)) return;
    let upTo = this.readUpTo;
    for (const entry of /** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll(".entry[data-unseen]"))) {
      if (entry.getBoundingClientRect().top >= innerHeight) break;
      delete entry.dataset.unseen;
      upTo = Math.max(upTo, Number(entry.dataset.seq ?? 0));
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
