// Archiving, pinning, muting, showing more: the same forms and links, without leaving the page.

import { copy, say } from "./little.js";

/**
 * @param {HTMLElement} desk
 * @param {import("./rows.js").Rows} rows
 */
export function watchList(desk, rows) {
  desk.addEventListener("submit", (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const button = /** @type {SubmitEvent} */ (event).submitter;
    if (!form.matches("[data-marks]") || !(button instanceof HTMLButtonElement)) return;
    event.preventDefault();
    mark(desk, rows, form, button);
  });
  desk.addEventListener("click", (event) => {
    const link = /** @type {HTMLElement} */ (event.target).closest("[data-more] a");
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!new URL(link.href).searchParams.has("pages")) return; // a page of its own
    event.preventDefault();
    more(rows, link.href);
  });
  document.addEventListener("click", (event) => {
    for (const menu of /** @type {NodeListOf<HTMLDetailsElement>} */ (desk.querySelectorAll(".row-menu[open]"))) {
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
    }
  });
}

/**
 * @param {HTMLElement} desk
 * @param {import("./rows.js").Rows} rows
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 */
async function mark(desk, rows, form, button) {
  const row = form.closest("li");
  const place = row ? [...rows.place.querySelectorAll("ol.rows > li")].indexOf(row) : -1;
  const body = new URLSearchParams({ do: button.value });
  button.disabled = true;
  const why = await send(form.action, body).catch(() => say(desk, "unavailable"));
  button.disabled = false;
  if (why !== null) return complain(form, why);
  const menu = /** @type {HTMLDetailsElement | null} */ (form.closest("details"));
  if (menu) menu.open = false;
  await rows.load().catch(() => {});
  tell(desk, form, button.value);
  focus(desk, rows, form, row, place);
}

/**
 * @param {string} address
 * @param {URLSearchParams} body
 * @returns {Promise<string | null>} why it was not done, or null
 */
async function send(address, body) {
  const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
  return answer.ok ? null : (await answer.json()).error.detail;
}

/**
 * @param {HTMLFormElement} form
 * @param {string} why
 */
function complain(form, why) {
  form.querySelector(".error")?.remove();
  const told = document.createElement("p");
  told.className = "error";
  told.setAttribute("role", "alert");
  told.textContent = why;
  form.append(told);
}

/**
 * What was archived can be brought back by one press; anything else ends that offer.
 * @param {HTMLElement} desk
 * @param {HTMLFormElement} form
 * @param {string} done
 */
function tell(desk, form, done) {
  const place = desk.querySelector("[data-done]");
  if (!place) return;
  place.replaceChildren();
  if (done !== "archived-on") return;
  const undo = /** @type {HTMLFormElement} */ (copy(desk, "undone"));
  undo.action = form.action;
  place.append(undo);
}

/**
 * Where the hand was: the same row, else the one that took its place.
 * @param {HTMLElement} desk
 * @param {import("./rows.js").Rows} rows
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} row
 * @param {number} place
 */
function focus(desk, rows, form, row, place) {
  const all = /** @type {NodeListOf<HTMLElement>} */ (rows.place.querySelectorAll("ol.rows > li"));
  const conversation = /\/c\/([^/]+)\/marks/.exec(form.action)?.[1] ?? "";
  const same = document.getElementById(`row-${conversation}`);
  const head = /** @type {HTMLElement | null} */ (desk.querySelector("[data-thread-marks] summary"));
  const next = row && !same ? all[Math.min(place, all.length - 1)] : same;
  const target = head ?? next?.querySelector(row && same ? "summary" : "a") ?? document.getElementById("main");
  /** @type {HTMLElement | null} */ (target)?.focus({ preventScroll: Boolean(same) });
}

/**
 * @param {import("./rows.js").Rows} rows
 * @param {string} address
 */
async function more(rows, address) {
  const known = rows.place.querySelectorAll("ol.rows > li").length;
  history.replaceState(null, "", address);
  await rows.load();
  const first = rows.place.querySelectorAll("ol.rows > li")[known];
  /** @type {HTMLElement | null | undefined} */ (first?.querySelector("a"))?.focus();
}
