// The spaces one may open: a name typed shortens the list. And a page that the browser kept aside is never shown again:
// one may have gone to somebody else's space meanwhile, or lost the right to this one.

addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

const MANY = 6; // from so many on, one would rather type

const menu = /** @type {HTMLDetailsElement | null} */ (document.querySelector("details.spaces"));
if (menu) watch(menu);


/** @param {HTMLDetailsElement} menu */
function watch(menu) {
  const rows = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("#space-list > li")]);
  const filter = /** @type {HTMLElement} */ (menu.querySelector("[data-filter]"));
  const none = /** @type {HTMLElement} */ (menu.querySelector("[data-none]"));
  const field = /** @type {HTMLInputElement} */ (filter.querySelector("input"));
  filter.hidden = rows.length < MANY;
  field.addEventListener("input", () => {
    const wanted = fold(field.value).split(" ").filter(Boolean);
    for (const row of rows) row.hidden = !wanted.every((word) => fold(row.textContent ?? "").includes(word));
    none.hidden = rows.some((row) => !row.hidden);
  });
  document.addEventListener("click", (event) => {
    if (menu.open && !menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
}

/**
 * Accents and case do not count.
 * @param {string} text
 */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
}
