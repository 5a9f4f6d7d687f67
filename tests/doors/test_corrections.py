"""A corrected message as a correspondent elsewhere reads it: a letter of its own, that says of which one it is."""

from __future__ import annotations

from pathlib import Path

from server import access, correcting, people, reading, sending
from server.drafts import Draft, Member, Opening
from server.posting import post
from server.sending import Letter
from tests.doors.test_outbound import opened
from tests.mail_house import ELSEWHERE


async def test_a_correction_and_a_word_for_one_alone_leave_as_mails_that_say_so(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with opened(tmp_path, sqlite_url) as (house, operator):
        bertin = people.correspondent(ELSEWHERE[1], ELSEWHERE[0])
        space = await access.patient(house.app, bertin, house.ins("dominique"))
        team = house.admissions
        members = (Member(team.account_id, team.mailbox_id, "", team.name, team.address),)
        began = await post(house.app, bertin, Draft(to=Opening(space, "Consignes", members), text="Bonjour"))
        box = await house.mailbox("dominique")
        to = await access.conversation(house.app, box, began.conversation)
        (contact,) = [one for one in await reading.people_in(house.app, to) if one.address == ELSEWHERE[1]]
        sent = await sending.send(house.app, box, to, Letter("Je prends 50 mg", "1", only=contact.member_id))
        await correcting.correct(house.app, box, sent.message, "Je prends 5 mg")
        await house.delivered()
        # Two letters to one place may leave on two connections: neither waits for the other.
        first, correction = sorted(operator.got, key=lambda got: "Correction du" in got.letter.as_string())
    assert first.letter["To"].addresses[0].addr_spec == ELSEWHERE[1]
    assert len(first.letter["To"].addresses) == 1, "the team is not among those it is for"
    body = correction.letter.get_body(("plain",))
    assert body is not None
    heading, _, text = body.get_content().partition("\n")
    assert heading.startswith("Correction du message du ")
    assert text.strip() == "Je prends 5 mg"
    assert correction.letter["In-Reply-To"] == first.letter["Message-ID"]
