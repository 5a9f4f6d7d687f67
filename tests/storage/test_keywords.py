"""Keywords: a client's own words, and the one that says who of a team has a conversation; on both engines."""

from __future__ import annotations

import pytest

from server import access, filing, teams
from server.errors import Refused, Throttled
from server.handles import MailboxHandle
from server.keywords import OWN_MOST, OWN_MOST_OF_A_TEAM
from storage import entries, placements
from storage.placements import INBOX, SENT
from tests.house import House


async def carried(core: House, box: MailboxHandle, folder: str = INBOX) -> list[set[str]]:
    """The keywords of each message of a folder, as a client is told them."""
    names = await filing.keywords(core.app, box)
    rows = await core.app.db.read(placements.listed, box.mailbox_id, folder)
    return [{name for bit, name in names.items() if row[2] >> bit & 1} for row in rows]


async def team(core: House, member: str = "petit") -> MailboxHandle:
    return await access.mailbox(core.app, core.people[member], core.admissions.mailbox_id)


async def test_a_keyword_is_named_once_whatever_its_case_and_sealed(core: House) -> None:
    box = await core.mailbox("morel")
    made = await filing.name_keywords(core.app, box, ["Cormoran", "$label1", "cormoran"])
    assert made["Cormoran"] == made["cormoran"] != made["$label1"]
    again = await filing.name_keywords(core.app, box, ["CORMORAN", "autre"])
    assert again["CORMORAN"] == made["Cormoran"]
    assert set((await filing.keywords(core.app, box)).values()) == {"Cormoran", "$label1", "autre"}
    kept = await core.app.db.read(lambda tx: tx.run("SELECT name FROM keywords"))
    assert not any(b"ormoran" in row[0].lower() for row in kept)
    assert await filing.keywords(core.app, await core.mailbox("petit")) == {}
    with pytest.raises(Refused):
        await filing.name_keywords(core.app, await core.mailbox("dominique"), ["mot"])


async def test_a_mailbox_has_fifty_of_ones_own_and_a_teams_has_thirty(core: House) -> None:
    for box, most in ((await core.mailbox("morel"), OWN_MOST), (await team(core), OWN_MOST_OF_A_TEAM)):
        places = await filing.name_keywords(core.app, box, [f"mot{number}" for number in range(most)])
        assert len(set(places.values())) == most
        assert {bit for bit in places.values() if not entries.FIRST_KEYWORD <= bit <= entries.LAST_KEYWORD} == set()
        with pytest.raises(Throttled, match="too_many_keywords"):
            await filing.name_keywords(core.app, box, ["mot0", "un-de-trop"])
        assert await filing.name_keywords(core.app, box, ["mot0", "x" * 101]) == {"mot0": places["mot0"]}
    assert (OWN_MOST, OWN_MOST_OF_A_TEAM) == (50, 30)


PETIT = "Pris-claire.petit"


async def test_who_of_a_team_has_a_conversation_stands_on_each_message_also_on_those_to_come(core: House) -> None:
    await teams.join(core.app, core.admissions.account_id, core.noel.account_id, "member", "operator")
    sent = await core.letter("admissions", "dominique")
    await core.answer("dominique", sent.conversation, "À quelle heure ?")
    box = await team(core)
    await teams.take(core.app, box, sent.conversation)
    await core.answer("dominique", sent.conversation, "Et où ?")
    assert await carried(core, box) + await carried(core, box, SENT) == [{PETIT}] * 3

    await teams.assign(core.app, box, sent.conversation, core.noel.account_id, core.petit.account_id)
    assert await carried(core, box) + await carried(core, box, SENT) == [{noel(core)}] * 3
    await teams.release(core.app, box, sent.conversation)
    assert await carried(core, box) == [set()] * 2

    await teams.take(core.app, box, sent.conversation)
    await teams.close(core.app, box, sent.conversation, "answered")
    assert await carried(core, box) + await carried(core, box, SENT) == [{"Clos"}] * 4
    await core.answer("dominique", sent.conversation, "Merci, et pour le retour ?")
    assert await carried(core, box) + await carried(core, box, SENT) == [set()] * 5, "it is open again"

    await teams.take(core.app, box, sent.conversation)
    await teams.leave(core.app, core.admissions.account_id, core.petit.account_id)
    assert await carried(core, await team(core, "noel")) == [set()] * 3, "what she had taken is anybody's"


async def test_a_conversation_that_is_handed_over_is_closed_for_those_who_gave_it(core: House) -> None:
    sent = await core.letter("admissions", "dominique")
    box = await team(core)
    await teams.take(core.app, box, sent.conversation)
    await teams.hand_over(core.app, box, sent.conversation, core.anesthesia.account_id, stay=True)
    assert await carried(core, box, SENT) == [{"Clos"}] * 2
    other = await access.mailbox(core.app, core.morel, core.anesthesia.mailbox_id)
    assert await carried(core, other) == [set()] * 2


async def test_no_program_assigns_or_closes(core: House) -> None:
    sent = await core.letter("admissions", "dominique")
    box = await team(core)
    await teams.take(core.app, box, sent.conversation)
    (uid,) = [row[0] for row in await core.app.db.read(placements.listed, box.mailbox_id, SENT)]
    await filing.store(core.app, box, SENT, [uid], lambda flags: 0)
    assert await carried(core, box, SENT) == [{PETIT}], "it stays"
    known = await filing.name_keywords(core.app, box, [PETIT.upper(), "Pris-moi", "clos"])
    assert known == {PETIT.upper(): known[PETIT.upper()], "clos": entries.CLOSED_KEYWORD}
    await teams.release(core.app, box, sent.conversation)
    await filing.store(core.app, box, SENT, [uid], lambda flags: sum(1 << bit for bit in known.values()))
    assert await carried(core, box, SENT) == [set()]
    await teams.leave(core.app, core.admissions.account_id, core.petit.account_id)
    with pytest.raises(Refused):
        await filing.store(core.app, box, SENT, [uid], lambda flags: flags | entries.FLAGGED)
    with pytest.raises(Refused):
        await filing.name_keywords(core.app, box, ["mot"])


async def test_a_team_too_large_for_its_keywords_takes_conversations_all_the_same(
    core: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.keywords.LAST_KEYWORD", entries.FIRST_KEYWORD)
    await teams.join(core.app, core.admissions.account_id, core.noel.account_id, "member", "operator")
    first, second = [await core.letter("admissions", who) for who in ("dominique", "marcel")]
    box, other = await team(core), await team(core, "noel")
    await teams.take(core.app, box, first.conversation)
    await teams.take(core.app, other, second.conversation)
    assert await carried(core, box, SENT) == [{PETIT}, set()]
    await teams.leave(core.app, core.admissions.account_id, core.petit.account_id)
    await teams.take(core.app, other, second.conversation, core.noel.account_id)
    assert await carried(core, other, SENT) == [set(), {noel(core)}], "the place of somebody who left"


def noel(core: House) -> str:
    return f"Pris-{core.noel.address.partition('@')[0]}"
