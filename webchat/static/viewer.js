// A document on screen: arrows change page or document, Escape goes back. Each key presses a link that stands in the page.

import { closeMenus } from "./little.js";

/** @param {string} name @returns {HTMLAnchorElement | null} */
const link = (name) => document.querySelector(`a[data-${name}]`);

/** The pages one turned are not steps one has to go back through. */
for (const way of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("a[data-replace]"))) {
  way.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    location.replace(way.href);
  });
}

document.addEventListener("keydown", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || at.closest("input, select, textarea")) return;
  if (event.key === "Escape" && !document.querySelector(".menu[open]")) return link("back")?.click();
  const moves = /** @type {HTMLElement | null} */ (document.querySelector(".sheet-view"));
  if (moves && moves.scrollWidth > moves.clientWidth) return; // enlarged: the arrows move over the page
  if (event.key === "ArrowRight") (link("page-after") ?? link("after"))?.click();
  if (event.key === "ArrowLeft") (link("page-before") ?? link("before"))?.click();
});

const keys = /** @type {HTMLElement | null} */ (document.querySelector("[data-keys]"));
if (keys) keys.hidden = !matchMedia("(any-hover: hover)").matches;
closeMenus();
