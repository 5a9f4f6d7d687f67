// A sheet of its own page: a new letter, with its draft and its files; and lists that narrow as one types.

import { countRoom } from "./composer.js";
import { Drafts } from "./drafts.js";
import { closeMenus } from "./little.js";
import { Uploads } from "./uploads.js";

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-sheet]"));
if (form) start(form);
for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[data-filter]"))) narrow(input);
closeMenus();

/** @param {HTMLFormElement} form */
function start(form) {
  const { drafts, base = "" } = form.dataset;
  const keeper = drafts ? new Drafts(form, document, drafts, base) : null;
  const problem = /** @type {HTMLElement} */ (form.querySelector("[data-problem]"));
  const waiting = /** @type {HTMLElement} */ (form.querySelector("[data-waiting]"));
  const uploads = new Uploads(form, document, base, {
    tell: (words) => {
      problem.textContent = words;
      problem.hidden = !words;
    },
    settled: () => {
      if (!waiting.hidden) form.requestSubmit();
    },
  });
  countRoom(/** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text")), form, document);
  form.querySelector("[data-cancel]")?.addEventListener("click", () => (waiting.hidden = true));
  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("formaction")) return;
    waiting.hidden = !uploads.busy;
    if (uploads.busy) event.preventDefault();
    else if (keeper) keeper.closed = true; // what leaves with the page is the letter, not a draft of it
  });
}

/**
 * Shows what holds every word that is typed, accents and case aside. Enter asks the server, which knows them all.
 * @param {HTMLInputElement} input
 */
function narrow(input) {
  const list = document.querySelector(`[data-filtered="${input.dataset.filter}"]`);
  input.addEventListener("input", () => {
    const words = fold(input.value).split(/\s+/).filter(Boolean);
    for (const row of /** @type {HTMLElement[]} */ ([...(list?.children ?? [])])) {
      const text = fold(row.textContent ?? "");
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}

/** @param {string} text */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}
