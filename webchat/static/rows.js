// The list of conversations beside or instead of the thread: asked for again when something moved, and put in place by
// id. What a reload would show is what stands here; what did not change is not touched, so that focus stays.

import { element } from "./little.js";

const SOON_MS = 150;

export class Rows {
  /**
   * @param {HTMLElement} desk
   * @param {string} base
   * @param {string} open
   */
  constructor(desk, base, open) {
    this.desk = desk;
    this.base = base;
    this.open = open;
    this.place = /** @type {HTMLElement} */ (desk.querySelector("[data-rows]"));
    /** @type {number | undefined} */
    this.timer = undefined;
    this.asked = 0;
    this.unread = "";
  }

  /** The rows of this very page: its filter, and as many as it shows. */
  url() {
    if (this.open) return `${this.base}/rows?open=${encodeURIComponent(this.open)}`;
    const query = new URLSearchParams(location.search);
    query.delete("done");
    query.delete("c");
    return `${this.base}/rows?${query}`;
  }

  /** Soon: several messages at once are one question. */
  refresh() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load().catch(() => {}), SOON_MS);
  }

  async load() {
    const turn = ++this.asked;
    const answer = await fetch(this.url(), { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = element(await answer.text());
    if (!fresh || turn !== this.asked) return; // a later question has a later answer
    this.count(answer.headers.get("X-Unread") ?? "0", fresh);
    for (const part of ["[data-filters]", "[data-none]", "[data-more]"]) replace(this.place, fresh, part);
    replace(this.desk, fresh, "[data-thread-marks]");
    for (const message of fresh.dataset.gone?.split(" ") ?? []) document.getElementById(`m-${message}`)?.remove();
    const present = this.place.querySelector("ol.rows");
    const rows = fresh.querySelector("ol.rows");
    if (present && rows) merge(present, rows);
  }

  /**
   * @param {string} unread
   * @param {HTMLElement} fresh
   */
  count(unread, fresh) {
    document.title = fresh.dataset.title ?? `${unread === "0" ? "" : `(${unread}) `}${document.title.replace(/^\(\d+\) /, "")}`;
    const counter = /** @type {HTMLElement | null} */ (document.querySelector("[data-unread]"));
    if (!counter) return;
    const words = /** @type {HTMLElement | null} */ (fresh.querySelector("ol.rows"))?.dataset.unreadWords ?? unread;
    const said = document.querySelector("[data-unread-said]");
    if (said && counter.textContent !== words) said.textContent = words; // once, whatever else moved
    counter.hidden = unread === "0";
    counter.textContent = words;
  }
}

/**
 * Rows change place by id.
 * @param {Element} present
 * @param {Element} fresh
 */
function merge(present, fresh) {
  const rows = [...fresh.children];
  rows.forEach((row, place) => {
    const known = document.getElementById(row.id);
    const kept = known && present.contains(known) ? renewed(known, /** @type {HTMLElement} */ (row)) : row;
    if (present.children[place] === kept) return;
    keeping(kept, () => present.insertBefore(kept, present.children[place] ?? null));
  });
  while (present.children.length > rows.length) present.lastElementChild?.remove();
}

/**
 * A row as it is now: the one that stands here when nothing of it changed.
 * @param {HTMLElement} known
 * @param {HTMLElement} fresh
 * @returns {Element}
 */
function renewed(known, fresh) {
  if (plain(known) === plain(fresh)) return known;
  const holder = known.parentElement;
  keeping(known, () => {
    known.replaceWith(fresh);
    return fresh;
  });
  return holder ? fresh : known;
}

/**
 * A part of the list that is replaced whole.
 * @param {Element} within
 * @param {Element} from
 * @param {string} part
 */
function replace(within, from, part) {
  const known = within.querySelector(part);
  const fresh = from.querySelector(part);
  if (!known || !fresh || plain(known) === plain(fresh)) return;
  keeping(known, () => {
    known.replaceWith(fresh);
    return fresh;
  });
}

/**
 * Move or replace an element: what was open in it stays open, and the focus stays on what has the same name.
 * @param {Element} known
 * @param {() => Element | void} change
 */
function keeping(known, change) {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  const name = active && known.contains(active) ? named(active) : "";
  const open = [...known.querySelectorAll("details")].map((details) => details.open);
  const now = change() ?? known;
  now.querySelectorAll("details").forEach((details, number) => (details.open = open[number] ?? details.open));
  if (!name) return;
  const pressed = /** @type {NodeListOf<HTMLElement>} */ (now.querySelectorAll("a, button, summary"));
  const same = [...pressed].find((other) => named(other) === name) ?? pressed[0];
  same?.focus({ preventScroll: true });
}

/** @param {HTMLElement} of */
function named(of) {
  return `${of.tagName} ${of.getAttribute("href") ?? of.getAttribute("value")?.split("-")[0] ?? ""}`;
}

/**
 * What an element says, whatever somebody opened in it.
 * @param {Element} of
 */
function plain(of) {
  const copy = /** @type {Element} */ (of.cloneNode(true));
  for (const details of copy.querySelectorAll("details")) details.open = false;
  return copy.outerHTML;
}
