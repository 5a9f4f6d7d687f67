"""What is held against every state of every page: axe-core, reflow, text twice as large, targets, contrast, headings,
landmarks, names of fields, what moves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import groupby
from typing import Any

from playwright.async_api import Browser, Page

from tests.browser.chromium import Window, window
from tests.browser.everything import Everything
from tests.browser.states import State

PHONE, WIDE = {"width": 320, "height": 800}, {"width": 1280, "height": 900}

# One subject, one document: what stands beside it says it again.
SAME_TITLE = {
    f"{box}/c/{{{name}}}"
    for box in ("", "{admissions}")
    for name in ("several", "letter", "long", "files", "taken", "handed", "waits")
}

SAME_TITLE |= {"/documents/{document}/view", "/documents/{document}/read"}
SAME_TITLE |= {"/files/{space}/{report}/view", "/files/{space}/{report}/read"}
SAME_TITLE |= {"/patient/{marcels}/documents/{untold}/view", "/patient/{marcels}/documents/{untold}/read"}
SAME_TITLE |= {"/new", "/c/{long}/new"}  # « Écrire », to somebody or to whom one chooses

# WCAG 1.3.1, 2.4.2, 3.1.1, 3.3.2, 2.5.8: what axe-core leaves to others. Each line returned is a fault.
FAULTS = """() => {
  const seen = e => e.checkVisibility({ visibilityProperty: true }), faults = [], html = e => e.outerHTML.slice(0, 140);
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  if (all("h1").length !== 1) faults.push(`${all("h1").length} h1`);
  if (all("main").length !== 1) faults.push(`${all("main").length} main`);
  if (!/^(fr|en)$/.test(document.documentElement.lang)) faults.push("no language");
  if (!/ – Pli$/.test(document.title) || document.title.length < 9) faults.push(`title: ${document.title}`);
  for (const field of all("input:not([type=hidden]), select, textarea")) {
    if (![...field.labels].some(label => label.textContent.trim())) faults.push(`no label: ${html(field)}`);
    for (const id of (field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean))
      if (!document.getElementById(id)) faults.push(`described by nothing: ${html(field)}`);
  }
  for (const said of all(".error")) if (said.getAttribute("role") !== "alert") faults.push(`no alert: ${html(said)}`);
  return faults; }"""
# A link within a sentence is as tall as its line (WCAG 2.5.8, exception « inline »); a box or a button of choice is
# pressed by its label.
SMALL = """least => [...document.querySelectorAll("a[href], button, summary, select, input, textarea")]
  .filter(e => e.type !== "hidden")
  .filter(e => e.checkVisibility({ visibilityProperty: true }) && !e.closest("[hidden], .hidden-title, .skip"))
  .filter(e => { const box = (/^(checkbox|radio)$/.test(e.type) && e.labels[0] || e).getBoundingClientRect();
    const inline = e.tagName === "A" && getComputedStyle(e).display === "inline" && e.closest("p, li, dd, span, td");
    return box.width > 1 && !inline && (box.height < least - .5 || box.width < 24); })
  .map(e => `small: ${e.getBoundingClientRect().height} ${e.outerHTML.slice(0, 140)}`)"""
WIDE_ONES = """() => { const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide <= 0) return [];
  const first = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
    && e.checkVisibility()).slice(0, 3).map(e => e.outerHTML.slice(0, 110));
  return [`wider by ${wide}: ${first.join(" | ")}`]; }"""
CLIPPED = """() => [...document.querySelectorAll("button, .button, h1, h2, h3, label, summary")]
  .filter(e => e.checkVisibility() && !e.matches(".hidden-title") && e.scrollWidth > e.clientWidth + 2 && e.clientWidth)
  .map(e => `cut: ${e.outerHTML.slice(0, 140)}`)"""
UNFOLD = """() => { for (const fold of document.querySelectorAll("main details"))
  if (!fold.matches(".original, .row-menu, .thread-marks details, .menu, .spaces, .composer *")) fold.open = true; }"""
MOVES = "document.getAnimations().filter(a => a.playState === 'running').map(a => `moves: ${a.animationName ?? a.id}`)"


async def at_table(
    browser: Browser, scene: Everything, states: Iterable[State]
) -> AsyncIterator[tuple[State, list[str]]]:
    """Each state with its faults; a window for each who looks. A title belongs to one page (WCAG 2.4.2)."""
    for who, theirs in groupby(states, lambda state: state.who):
        options: dict[str, Any] = {"viewport": PHONE, "bypass_csp": True}  # axe-core is not ours: let in
        titles: dict[str, str] = {}
        grown: set[tuple[str, bool]] = set()
        async with window(browser, scene.house, who, **options) as seen:
            for state in theirs:
                page, place = await reach(seen, scene, state), state.path.partition("?")[0]
                other = titles.setdefault(await page.title(), place) if state.do is None else place
                same = {other, place} <= SAME_TITLE or other == place
                faults = await look(seen)
                if (kind := (place, state.do is None)) not in grown:  # a page grows as one, whatever it says
                    faults += await look_further(seen)
                    grown.add(kind)
                yield state, faults + ([] if same else [f"the title of {other}"])


async def reach(seen: Window, scene: Everything, state: State) -> Page:
    """Go there, do what is done there, open every fold."""
    page = await seen.go(scene.address(state.path))
    if state.do is not None:
        await state.do(page, scene)
    if state.open:
        await page.evaluate(UNFOLD)
    return page


async def look(seen: Window) -> list[str]:
    """At a phone's width, in the light."""
    page = seen.page
    faults = [*await page.evaluate(FAULTS), *await page.evaluate(SMALL, 44), *await page.evaluate(WIDE_ONES)]
    return faults + [f"{rule}: {nodes}" for rule, nodes in await seen.faults()]


async def look_further(seen: Window) -> list[str]:
    """With text as large as one may choose, then wide and in the dark."""
    page = seen.page
    await page.evaluate("document.documentElement.dataset.text = 'larger'")
    faults = [f"larger {fault}" for fault in [*await page.evaluate(WIDE_ONES), *await page.evaluate(CLIPPED)]]
    await page.evaluate("delete document.documentElement.dataset.text")
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    faults += await page.evaluate(MOVES)
    await page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    # What stays in sight covers a part of what one scrolls past, which is then no smaller (the keyboard walks see to
    # it that nothing with the focus is covered).
    await page.evaluate("document.querySelectorAll('.composer, .top').forEach((it) => (it.style.position = 'static'))")
    faults += [f"wide {fault}" for fault in [*await page.evaluate(WIDE_ONES), *await page.evaluate(SMALL, 24)]]
    found = await seen.faults("color-contrast", "target-size", "region")
    faults += [f"wide, dark {rule}: {nodes}" for rule, nodes in found]
    await page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    return faults
