// « Imprimer »: a button where a browser can do it from a page.

const shown = /** @type {HTMLElement | null} */ (document.querySelector("[data-print]"));
if (shown) {
  shown.hidden = false;
  shown.querySelector("button")?.addEventListener("click", () => print());
}
