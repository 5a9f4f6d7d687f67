"""Sending a period of one's measures to somebody one may write to, as a letter with its table.

Does not: open a conversation, or write where nobody takes answers (`writing_rules`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import access, audit, posting, scopes, sending, writing_rules
from server.audit import Act
from server.dossier import measure_kinds as kinds
from server.dossier import measure_letters, measures
from server.drafts import Draft, File, FileFacts, Receipt
from server.errors import Invalid, Refused
from server.writing_rules import Known

if TYPE_CHECKING:
    from server.app import App
    from server.handles import MailboxHandle
    from server.posting import Doing


async def takers(app: App, box: MailboxHandle) -> list[Known]:
    """Whom one may write to where one already writes with them: professionals and teams."""
    found = await writing_rules.known(app, box)
    return [one for one in found if not one.why and one.kind in {"professional", "team"}]


async def send(
    app: App, box: MailboxHandle, member: str, slug: str, since: str, until: str, client_key: str
) -> Receipt:
    """The measures between two days, to this one of `takers`. Raises `Refused`, `Invalid` (there are none), and as
    `post`.
    """
    to = next((one for one in await takers(app, box) if one.member_id == member), None)
    if to is None:
        raise Refused
    conversation = await access.conversation(app, box, to.conversation)
    key = sending.retry_key(box.actor, client_key)
    if key and (known := await posting.receipt_again(app, box.actor, conversation.space_id, key)):
        return known
    handle, of = await access.dossier(app, box), kinds.kind(slug)
    gathered = await measures.gather(app, handle)
    views = measures.between(gathered.series.get(slug, []), since, until)
    if not views:
        raise Invalid("no_measures", "Il n’y a pas de mesure entre ces deux dates. Choisissez d’autres dates.")
    name = gathered.traits.name if gathered.traits else ""
    sheet = measure_letters.table(of, views)
    facts = FileFacts("mesures.csv", "text/csv", len(sheet), title=f"{of.fr}, {measure_letters.period(since, until)}")

    def effect(doing: Doing) -> None:
        scopes.may(doing.tx, handle, "dossier")
        audit.record(doing.tx, Act.MEASURES_SENT, doing.actor, doing.to.space_id, doing.to.ground, to.member_id)

    draft = Draft(
        to=conversation,
        text=measure_letters.letter(of, name, views, since, until),
        files=(File(facts, await app.blobs.put(handle.keys, sheet)),),
        only=frozenset({to.whom, conversation.member, conversation.holder}) if to.whom else frozenset(),
        addressed={to.whom: to.name} if to.whom else {},
        retry_key=key,
        effect=effect,
    )
    return await posting.post(app, box.actor, draft)
