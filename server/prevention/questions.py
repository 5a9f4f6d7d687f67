"""« Vos vaccins à jour en 3 questions »: what one lives with, what one has had, and whether to be reminded.

    stand  →  asked(): what there is to ask, and where one was  →  save_…(): situations and statuses, one line in
    « Votre espace » a step

Promises: each step is kept when it is sent, so that one goes on where one was; nothing is asked that is known. What is
left out is not an answer, but a situation that is not ticked is « non ». Does not: file a declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from server import space_news
from server.prevention import situations, statuses
from server.prevention.engine import Standing
from server.prevention.situations import Entry, Facts, Kind
from server.prevention.statuses import Saying
from server.prevention.summary import DUE, LATE, LATER, Stand

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing

END: Final = 4
MOST: Final = 8  # vaccines that are asked about
YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True, slots=True)
class Asked:
    """`kinds`: with what stands of each; `vaccines`: that nothing tells of; `unknown`, `missing`: of those and of
    what was put off, what one does not know, and what one has not had. `step`: the first that is not
    answered, `END` when all are.
    """

    kinds: tuple[tuple[Kind, Entry | None], ...]
    vaccines: tuple[Standing, ...]
    unknown: tuple[Standing, ...]
    missing: tuple[Standing, ...]
    step: int


def asked(stood: Stand) -> Asked:
    """What there is to ask this person, today."""
    person = stood.gathered.person
    entries = {one.kind: one for one in stood.gathered.situations}
    kinds = tuple(
        (kind, entries.get(kind.slug))
        for kind in situations.kinds().values()
        if kind.first and kind.concerns(person.birth, person.sex, stood.today)
    )
    vaccines = [one for one in stood.standings if one.rule.kind == "vaccine" and one.rule.level != "possible"]
    due = [one for one in vaccines if one.state in {DUE, LATE}][:MOST]
    left = [(one, told(stood, one)) for one in vaccines if one in due or one.state == LATER]
    unasked = any(not told(stood, one) for one in due)
    step = 1 if any(entry is None for _, entry in kinds) else 2 if unasked else END
    return Asked(
        kinds,
        tuple(due),
        tuple(one for one, answer in left if answer == UNKNOWN),
        tuple(one for one, answer in left if answer != UNKNOWN),
        step,
    )


def told(stood: Stand, one: Standing) -> str:
    """What was said of it here: no, unknown; "" when it was not asked."""
    answer = stood.gathered.answers.get(one.rule.id)
    return answer.facts.told if answer is not None else ""


async def save_situations(
    app: App, box: MailboxHandle, handle: DossierHandle, said: Sequence[tuple[Facts, str]], key: str
) -> None:
    """The first step. `said`: of `situations.checked`, with its state. Raises `NotAllowed`, `Refused`."""

    def effect(doing: Doing) -> None:
        for facts, state in said:
            situations.put(doing, handle, facts, state)

    await _note(app, box, handle, 1, effect, key)


async def save_received(app: App, box: MailboxHandle, handle: DossierHandle, said: Mapping[str, str], key: str) -> None:
    """The second. `said`: rule → yes, no, unknown. Raises `NotAllowed`, `Refused`."""

    def effect(doing: Doing) -> None:
        for rule, answer in said.items():
            had = Saying(statuses.DONE) if answer == YES else Saying(statuses.NO_ANSWER, told=answer)
            statuses.put(doing, handle, rule, had)

    await _note(app, box, handle, 2, effect, key)


async def save_wish(
    app: App, box: MailboxHandle, handle: DossierHandle, told: Mapping[str, str], months: str, key: str
) -> None:
    """The third: all of these come back in so many months. `told`: rule → what was said of it. Raises `Invalid`,
    `NotAllowed`, `Refused`.
    """
    wish = statuses.later(months)

    def effect(doing: Doing) -> None:
        for rule, answer in told.items():
            statuses.put(doing, handle, rule, replace(wish, told=answer))

    await _note(app, box, handle, 3, effect, key)


async def _note(
    app: App, box: MailboxHandle, handle: DossierHandle, step: int, effect: Callable[[Doing], None], key: str
) -> None:
    retry_key = f"questions:{handle.actor.account_id}:{key[:100]}" if key else ""
    await space_news.note(
        app,
        box,
        f"Vos vaccins à jour en 3 questions : réponses notées ({step} sur 3).",
        f"Your vaccines in 3 questions: answers noted ({step} of 3).",
        effect,
        action="prevention.said",
        retry_key=retry_key,
    )
