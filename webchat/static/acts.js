// Answering a card, filing a document: the same form, without leaving the page. What it changed arrives like everything else.

import { say } from "./little.js";

const ARRIVES_MS = 4_000;

/**
 * @param {HTMLElement} desk
 * @param {import("./live.js").Live} live
 */
export function watchActs(desk, live) {
  desk.addEventListener("submit", async (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const address = form.getAttribute("action") ?? ""; // not form.action: a field of that name stands before it
    if (!address.endsWith("/act") || !live.connected) return;
    event.preventDefault();
    const entry = /** @type {HTMLElement} */ (form.closest(".entry"));
    const buttons = entry.querySelectorAll("button");
    buttons.forEach((button) => (button.disabled = true));
    const why = await send(address, new FormData(form)).catch(() => say(desk, "unavailable"));
    if (why === null) {
      setTimeout(() => entry.isConnected && location.reload(), ARRIVES_MS); // its new state should have replaced it by now
      return;
    }
    buttons.forEach((button) => (button.disabled = false));
    entry.querySelector(".error")?.remove();
    const told = document.createElement("p");
    told.className = "error";
    told.setAttribute("role", "alert");
    told.textContent = why;
    form.after(told);
  });
}

/**
 * @param {string} address
 * @param {FormData} body
 * @returns {Promise<string | null>} why it was not done, or null
 */
async function send(address, body) {
  const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
  return answer.ok ? null : (await answer.json()).error.detail;
}
