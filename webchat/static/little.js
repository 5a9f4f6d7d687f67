// Small things that several parts use.

const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("pli", {
  createHTML: (/** @type {string} */ text) => text,
  createScriptURL: () => WORKER,
});
const WORKER = "/sw.js";

/** The service worker's address, the only script that is ever named by a string. */
export function workerAddress() {
  return /** @type {string} */ (policy ? policy.createScriptURL(WORKER) : WORKER);
}

/**
 * The first element of HTML that our own server rendered. The only place where a string becomes HTML.
 * @param {string} html
 * @returns {HTMLElement | null}
 */
export function element(html) {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(html) : html;
  return /** @type {HTMLElement | null} */ (template.content.firstElementChild);
}

/**
 * A copy of what a `<template>` of the page holds.
 * @param {ParentNode} within
 * @param {string} name
 * @returns {HTMLElement}
 */
export function copy(within, name) {
  const template = /** @type {HTMLTemplateElement} */ (within.querySelector(`template[data-${name}]`));
  return /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
}

/**
 * A sentence of the page, with its {names} filled in.
 * @param {ParentNode} within
 * @param {string} word
 * @param {Record<string, string>} [values]
 * @returns {string}
 */
export function say(within, word, values = {}) {
  const template = /** @type {HTMLTemplateElement | null} */ (within.querySelector("template[data-say]"));
  const said = template?.content.querySelector(`[data-word="${word}"]`)?.textContent ?? "";
  return said.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** A key that nobody else makes: what lets a sending be tried again without doubling. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** « il y a 5 minutes » grows older while one looks. */
export function refreshAges() {
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  const renew = () => {
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".ago[data-at]"))) {
      const minutes = Math.round((Date.now() - Date.parse(node.dataset.at ?? "")) / 60_000);
      if (!(minutes >= 1)) continue;
      const [count, unit] = minutes < 60 ? [minutes, "minute"] : minutes < 1440 ? [minutes / 60, "hour"] : [minutes / 1440, "day"];
      node.textContent = format.format(-Math.round(count), /** @type {Intl.RelativeTimeFormatUnit} */ (unit));
    }
  };
  setInterval(renew, 60_000);
}

/** Escape closes what is open, and gives the focus back. */
export function closeMenus() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = /** @type {HTMLDetailsElement | null} */ (
      document.activeElement?.closest("details[open]") ?? document.querySelector(".menu[open]")
    );
    if (!open) return;
    open.open = false;
    open.querySelector("summary")?.focus();
  });
  document.addEventListener("click", (event) => {
    const menu = /** @type {HTMLDetailsElement | null} */ (document.querySelector(".menu[open]"));
    if (menu && !menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
}
