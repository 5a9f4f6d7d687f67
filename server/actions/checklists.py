"""A checklist is ticked: what is done (and undone, until its day), by whom; « Tout est fait ». A line for who asked.

Values: `items` « 1 3 », or `t.<n>` a box each: all that stands ticked from now on; `mail`: numbers that are added. What
is recorded is what changed, so that two who tick at once undo nothing of one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.actions.ask import Ask, Done
from server.errors import Conflict
from server.forms import filling, ticking

if TYPE_CHECKING:
    from server.posting import Doing


async def prepare_tick(ask: Ask) -> Done:
    """As the boxes stand."""
    return await _prepare(ask, everything=False)


async def prepare_done(ask: Ask) -> Done:
    """All of it."""
    return await _prepare(ask, everything=True)


async def _prepare(ask: Ask, *, everything: bool) -> Done:
    card = ask.card or {}
    ticking.check_day(card)
    things, message_id, keys = ticking.things(card), ask.opened.message.id, ask.conversation.keys
    now = frozenset(await ask.app.db.read(filling.ticked, keys, message_id))
    all_of_it = frozenset(range(1, len(things) + 1))
    then = all_of_it if everything else ticking.wanted(ask.values, len(things), now)
    on, off = sorted(then - now), sorted(now - then)
    if not on and not off:
        raise Conflict("ticks_same", "Rien n’a changé dans cette liste.")

    def effect(doing: Doing) -> None:
        filling.keep_ticks(doing, message_id, len(things))

    left = len(things) - len(then)
    return Done(
        _said("Fait", "Plus coché", things, on, off, "Tout est fait." if not left else f"Reste : {left}."),
        effect,
        text_en=_said("Done", "No longer ticked", things, on, off, "All is done." if not left else f"Left: {left}."),
        values={"ticked": on, "unticked": off},
    )


def _said(done: str, undone: str, things: list[str], on: list[int], off: list[int], end: str) -> str:
    sign = " : " if done == "Fait" else ": "
    parts = [
        f"{word}{sign}{' ; '.join(things[number - 1] for number in numbers)}."
        for word, numbers in ((done, on), (undone, off))
        if numbers
    ]
    return " ".join([*parts, end])
