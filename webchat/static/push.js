// This browser's own part of the notices: to be woken by a push, to keep letters; and the one gentle offer of the list.

import { element } from "./little.js";
import { ask, worker } from "./offline.js";

const PLACE = "/account/notices";

/** @returns {boolean} */
function able() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** The page of the notices: what this browser can do, and does. */
export async function settle() {
  const panel = /** @type {HTMLElement} */ (document.querySelector("[data-browser]"));
  await settleCopy(panel);
  const push = /** @type {HTMLElement} */ (panel.querySelector("[data-push]"));
  if (!able()) return;
  const registered = await worker();
  if (!registered) return;
  const current = await registered.pushManager.getSubscription().catch(() => null);
  push.hidden = false;
  show(push, Notification.permission === "denied" ? "refused" : current && push.dataset.told ? "on" : "off");
  push.querySelector("[data-on]")?.addEventListener("click", async () => {
    show(push, (await subscribe(push.dataset.key ?? "")) ? "on" : Notification.permission === "denied" ? "refused" : "failed");
  });
}

/** @param {HTMLElement} panel */
async function settleCopy(panel) {
  const copy = /** @type {HTMLElement} */ (panel.querySelector("[data-copy]"));
  if (!copy || !("serviceWorker" in navigator)) return;
  const answer = await ask({ do: copy.dataset.kept ? "keep" : "erase" });
  if (!answer) return;
  copy.hidden = false;
  const at = /** @type {HTMLElement | null} */ (copy.querySelector("[data-kept-at]"));
  if (at && answer.at) {
    const language = document.documentElement.lang;
    at.textContent = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short", timeZone: "Europe/Paris" }).format(answer.at);
    /** @type {HTMLElement} */ (at.parentElement).hidden = false;
  }
}

/**
 * Show the part of a panel that is true, and no other.
 * @param {HTMLElement} panel
 * @param {string} state
 */
function show(panel, state) {
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (panel.querySelectorAll("[data-state]"))) {
    part.hidden = part.dataset.state !== state && !(state === "failed" && part.dataset.state === "off");
  }
}

/**
 * Ask the browser for a subscription, and tell the server. Whether both agreed.
 * @param {string} key our public key, base64url
 */
export async function subscribe(key) {
  try {
    const registered = await worker();
    if (!registered || (await Notification.requestPermission()) !== "granted") return false;
    const options = { userVisibleOnly: true, applicationServerKey: octets(key) };
    const made = await registered.pushManager.subscribe(options).catch(async () => {
      await (await registered.pushManager.getSubscription())?.unsubscribe(); // of another key: made anew
      return registered.pushManager.subscribe(options);
    });
    const answer = await send(`${PLACE}/push`, { endpoint: made.endpoint });
    return answer.ok;
  } catch {
    return false;
  }
}

/**
 * A browser that is woken, in a new visit: the server says whether it still is, for who is signed in now.
 * @param {PushSubscription} told
 */
export async function comeBack(told) {
  const answer = await send(`${PLACE}/push`, { endpoint: told.endpoint, again: "1" });
  if (answer.ok && !(await answer.json()).told) await told.unsubscribe();
}

/**
 * @param {string} address
 * @param {Record<string, string>} fields
 */
function send(address, fields) {
  return fetch(address, { method: "POST", body: new URLSearchParams(fields), headers: { Accept: "application/json" } });
}

/** @param {string} text base64url */
function octets(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

/** Once, on the list, to somebody who came back: the server says whether it was asked before. */
export async function offer() {
  if (!able() || Notification.permission !== "default") return;
  const rows = document.querySelector("[data-rows]"); // after them: nothing jumps under a finger
  const answer = await fetch(`${PLACE}/offer`, { headers: { Accept: "text/html" } });
  const card = answer.status === 200 ? element((await answer.text()).trim()) : null;
  if (!rows || !card) return;
  rows.after(card);
  card.querySelector("[data-yes]")?.addEventListener("click", async () => {
    const done = await subscribe(card.dataset.key ?? "");
    await send(`${PLACE}/offer`, {});
    if (done) return card.remove();
    const failed = /** @type {HTMLElement} */ (card.querySelector("[data-failed]"));
    failed.hidden = false;
    card.querySelector("[data-yes]")?.remove();
  });
  card.querySelector("[data-no]")?.addEventListener("click", async (event) => {
    event.preventDefault();
    card.remove();
    await send(`${PLACE}/offer`, {});
    /** @type {HTMLElement | null} */ (document.querySelector("#main"))?.focus();
  });
}
