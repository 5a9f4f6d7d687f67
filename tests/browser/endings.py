"""What `states` looks at of prescriptions, of copies and of spaces that are closed: made here, and looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import access, people, pharmacy
from server.copies import exporting, importing
from server.enrolment import lifecycle
from tests.doors.test_prescriptions import prescribed

if TYPE_CHECKING:
    from tests.browser.everything import Everything

LEA = people.Traits("279035121518991", "1.2.250.1.213.1.4.10", "DIX", "Léa", "1980-01-02", "F", "75056")
PAGES = (
    ("dominique", "/prescriptions", ""),
    ("dominique", "/prescriptions/{prescription}", ""),
    ("dominique", "/c/{sent}", "a prescription that was sent"),
    ("rossi", "{pharmacy}/c/{sent}", "a prescription to prepare"),
    ("dominique", "/export", ""),
    ("dominique", "{camille}/export", "of a child"),
    ("marcel", "/prescriptions", "none yet"),
    ("marcel", "/export", "what came of one that was brought"),
    ("marcel", "/closing", ""),
    ("dominique", "{camille}/closing", "of a child"),
    ("lea", "/closed", "deletion asked for"),
)  # fmt: skip


async def made(scene: Everything) -> None:
    """A prescription, one that was sent; copies; a space that is closed and is to be deleted."""
    house, ids = scene.house, scene.ids
    app, box = house.app, await house.mailbox("dominique")
    ids["prescription"] = document = await prescribed(house)
    sent = await pharmacy.send(app, box, document, house.pharmacy.account_id, "Je passe à 18 h.", "sent")
    ids["sent"], ids["pharmacy"] = sent.conversation, f"/for/{house.pharmacy.mailbox_id}"
    await exporting.ask(app, box)
    await importing.bring(app, await house.mailbox("marcel"), b"PK\x03\x04 rien")
    house.people["lea"] = lea = await people.open_space(app, LEA)
    await lifecycle.close(app, await access.mailbox(app, lea), delete=True)
