// The list of conversations beside or instead of the thread: asked for again when something moved, and put in place by id.

import { element } from "./little.js";

const SOON_MS = 150;

export class Rows {
  /**
   * @param {HTMLElement} desk
   * @param {string} base
   * @param {string} open
   */
  constructor(desk, base, open) {
    this.place = /** @type {HTMLElement} */ (desk.querySelector("[data-rows]"));
    this.url = `${base}/rows?open=${encodeURIComponent(open)}`;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.older = !open && new URLSearchParams(location.search).has("before");
  }

  /** Soon: several messages at once are one question. */
  refresh() {
    if (this.older) return; // an older page of the list stays what it is
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load().catch(() => {}), SOON_MS);
  }

  async load() {
    const answer = await fetch(this.url, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = element(await answer.text());
    const present = /** @type {HTMLElement | null} */ (this.place.querySelector("ol.rows"));
    if (!fresh) return;
    this.count(answer.headers.get("X-Unread") ?? "0", fresh);
    if (present) this.merge(present, fresh);
    else this.place.replaceChildren(fresh);
  }

  /**
   * Rows change place by id; one that did not change is not touched, so that focus stays.
   * @param {HTMLElement} present
   * @param {HTMLElement} fresh
   */
  merge(present, fresh) {
    const rows = [...fresh.children];
    rows.forEach((row, place) => {
      const known = document.getElementById(row.id);
      const focused = known?.contains(document.activeElement);
      const kept = known && known.outerHTML === row.outerHTML ? known : row;
      if (kept !== known) known?.remove();
      if (present.children[place] !== kept) present.insertBefore(kept, present.children[place] ?? null);
      if (focused) kept.querySelector("a")?.focus({ preventScroll: true });
    });
    while (present.children.length > rows.length) present.lastElementChild?.remove();
  }

  /**
   * @param {string} unread
   * @param {HTMLElement} fresh
   */
  count(unread, fresh) {
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = unread === "0" ? title : `(${unread}) ${title}`;
    const counter = /** @type {HTMLElement | null} */ (document.querySelector("[data-unread]"));
    if (!counter) return;
    counter.hidden = unread === "0";
    counter.textContent = fresh.dataset.unreadWords ?? unread;
  }
}
