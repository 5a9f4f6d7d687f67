// What lies above and below the part of a thread that stands in the page: asked for by a button, or on approach, and put
// in its place without moving what one reads. Nobody is told aloud: it is not new.

import { element } from "./little.js";

const AHEAD = "900px 0px"; // how far before its end a part is asked for

export class History {
  /**
   * @param {HTMLElement} log
   * @param {HTMLElement} list
   * @param {string} address of the parts
   */
  constructor(log, list, address) {
    this.log = log;
    this.list = list;
    this.address = address;
    this.loading = false;
    /** @type {(entries: HTMLElement[]) => void} */
    this.onBelow = () => {};
    const buttons = /** @type {HTMLElement[]} */ (["older", "newer"].map((way) => this.button(way)));
    for (const button of buttons) {
      button.querySelector("a")?.addEventListener("click", (event) => {
        event.preventDefault();
        this.load(this.way(button));
      });
    }
    // Not before somebody moves: a page that opens at its end, or at what is new, stays as it opened.
    const near = new IntersectionObserver(
      (seen) => seen.forEach((one) => one.isIntersecting && this.load(this.way(/** @type {HTMLElement} */ (one.target)))),
      { rootMargin: AHEAD },
    );
    const watch = () => buttons.forEach((button) => near.observe(button));
    addEventListener("wheel", watch, { once: true, passive: true });
    addEventListener("touchmove", watch, { once: true, passive: true });
    addEventListener("keydown", watch, { once: true });
  }

  /** @param {string} way */
  button(way) {
    return /** @type {HTMLElement} */ (this.log.querySelector(`[data-more-${way}]`));
  }

  /** @param {HTMLElement} button @returns {"older" | "newer"} */
  way(button) {
    return "moreOlder" in button.dataset ? "older" : "newer";
  }

  /** Whether the end of the thread stands in the page. */
  get atEnd() {
    return !this.log.dataset.newer;
  }

  /** @param {"older" | "newer"} way */
  async load(way) {
    const from = this.log.dataset[way];
    if (!from || this.loading) return;
    this.loading = true;
    try {
      const asked = way === "older" ? "before" : "after";
      const answer = await fetch(`${this.address}?${asked}=${from}`, { headers: { Accept: "text/html" } });
      const part = answer.ok ? element(await answer.text()) : null;
      if (!part) return; // the link is still there
      if (way === "older") this.above(part);
      else this.below(part);
      this.log.dataset[way] = part.dataset[way] ?? "";
      this.button(way).hidden = !this.log.dataset[way];
    } catch {
      // no network: the link is still there
    } finally {
      this.loading = false;
    }
  }

  /** @param {HTMLElement} part */
  fresh(part) {
    const rows = /** @type {HTMLElement[]} */ ([...part.children]);
    return rows.filter((row) => !row.id || !document.getElementById(row.id)); // what came by itself stands there already
  }

  /**
   * Older ones: what is on screen stays where it is.
   * @param {HTMLElement} part
   */
  above(part) {
    const rows = this.fresh(part);
    const held = this.held();
    const before = held?.getBoundingClientRect().top ?? 0;
    const root = document.documentElement;
    root.style.setProperty("overflow-anchor", "none"); // one of us holds the page, not two
    const first = /** @type {HTMLElement | null} */ (this.list.firstElementChild);
    if (first?.matches(".day") && first.dataset.day === rows.at(-1)?.dataset.day) first.remove();
    this.list.prepend(...rows);
    if (held) scrollBy({ top: held.getBoundingClientRect().top - before, behavior: "instant" });
    requestAnimationFrame(() => root.style.removeProperty("overflow-anchor"));
  }

  /** The first entry that is on screen. */
  held() {
    const entries = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(".entry")]);
    return entries.find((entry) => entry.getBoundingClientRect().bottom > 0) ?? entries[0];
  }

  /** @param {HTMLElement} part */
  below(part) {
    const rows = this.fresh(part);
    const days = /** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll("[data-day]"));
    if (rows[0]?.matches(".day") && rows[0].dataset.day === days[days.length - 1]?.dataset.day) rows.shift();
    this.list.append(...rows);
    this.onBelow(rows.filter((row) => row.matches(".entry")));
  }
}
