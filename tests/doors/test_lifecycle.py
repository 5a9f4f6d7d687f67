"""The life of a space: closed and kept out of everybody's reach, opened again as it was, destroyed when it is time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from server import access, reading
from server.delegates import DelegationEnds
from server.delivery import Parcel
from server.dossier.delays import DELAYS
from server.drafts import Draft
from server.enrolment import endings, lifecycle
from server.enrolment.endings import Endings
from server.errors import Conflict, NotAllowed, PliError, Refused, SpaceClosed, Unauthorised
from server.posting import post
from server.sessions import actor_of_session
from storage import accounts, delegations, deliveries
from storage import lifecycle as rows
from tests.browser.visitor import visitor
from tests.house import House
from tests.support.command import pli

TEN_YEARS = timedelta(days=DELAYS.kept_after_closing_days)
MONTH = timedelta(days=DELAYS.deletion_after_days)


async def close(house: House, *, delete: bool = False) -> None:
    await lifecycle.close(house.app, await house.mailbox("dominique"), "Je n’en veux plus", delete=delete)


async def shut(house: House) -> lifecycle.Life:
    return (await lifecycle.of_closed(house.app, house.dominique))[1]


async def time_passes(house: House) -> None:
    """What the delivery worker does with what is due of that channel."""
    owed = await house.app.db.write(deliveries.claim, 1000, 1000)
    for one in owed:
        space = await house.app.db.read(accounts.space, one.space_id)
        if one.channel == lifecycle.CHANNEL and space is not None and space.wrapped_key:
            keys = house.app.vault.space(one.space_id, space.wrapped_key)
            await Endings(house.app).send(Parcel(one, keys, {}, one.attempts))


async def test_a_closed_space_is_out_of_everybodys_reach_and_comes_back_whole(core: House) -> None:
    letter = await core.letter("morel", "dominique", "Votre opération est le 3.")
    session = await core.session("dominique")
    await close(core)
    with pytest.raises(Unauthorised):
        await actor_of_session(core.app, session)
    with pytest.raises(SpaceClosed):
        await core.mailbox("dominique")
    with pytest.raises(Refused, match="closed"):
        await core.letter("morel", "dominique")
    with pytest.raises(Refused, match="closed"):
        await core.answer("morel", letter.conversation)
    box, life = await lifecycle.of_closed(core.app, core.dominique)
    assert (life.state, life.why) == ("closed", "closed")
    await lifecycle.reopen(core.app, box)
    again = await reading.since(core.app, await core.mailbox("dominique"), 0)
    assert "Votre opération est le 3." in [entry.message.text for entry in again.entries]
    await core.answer("dominique", letter.conversation, "Je suis de retour")


async def test_what_was_being_sent_while_it_closed_is_refused(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    handle = await access.conversation(core.app, await core.mailbox("dominique"), letter.conversation)
    await close(core)
    with pytest.raises(Refused):
        await post(core.app, core.dominique, Draft(to=handle, text="Trop tard"))


async def test_closing_twice_or_opening_what_is_open_is_a_clear_conflict(core: House) -> None:
    box = await core.mailbox("dominique")
    with pytest.raises(Conflict):
        await lifecycle.reopen(core.app, box)
    await close(core)
    with pytest.raises(Conflict):
        await lifecycle.close(core.app, box)


async def test_a_helper_never_closes_a_parent_does(core: House) -> None:
    await core.app.db.write(
        delegations.grant, core.marcel.space_id, core.dominique.account_id, "helper", None, "operator",
        delegations.EVERYTHING,
    )  # fmt: skip
    helping = await access.mailbox(core.app, core.dominique, core.marcel.mailbox_id)
    with pytest.raises(NotAllowed, match="holders_only"):
        await lifecycle.close(core.app, helping)
    await lifecycle.close(core.app, await access.mailbox(core.app, core.dominique, core.camille.mailbox_id))
    with pytest.raises(SpaceClosed):
        await access.mailbox(core.app, core.dominique, core.camille.mailbox_id)
    await core.mailbox("dominique")


async def test_after_ten_years_the_key_is_destroyed_and_not_a_day_before(core: House) -> None:
    letter = await core.letter("morel", "dominique", "Secret")
    with time_machine.travel("2026-01-05 12:00 +0000", tick=True) as clock:
        await close(core)
        clock.shift(TEN_YEARS - timedelta(days=1))
        await time_passes(core)
        assert (await shut(core)).state == "closed"
        clock.shift(timedelta(days=2))
        await time_passes(core)
        space = await core.app.db.read(accounts.space, core.dominique.space_id)
        assert space is not None
        assert (space.state, space.wrapped_key, space.traits) == ("destroyed", b"", None)
        with pytest.raises(PliError):
            await lifecycle.of_closed(core.app, core.dominique)
    assert core.dominique.space_id in core.app.settings.erased_file.read_text()
    page = await reading.since(core.app, await core.mailbox("morel"), 0)
    (mine,) = [entry for entry in page.entries if entry.conversation == letter.conversation]
    assert "Secret" not in mine.message.text, "the doctor's list still has its place, and no words"


async def test_whoever_opens_again_within_ten_years_loses_nothing_when_they_are_over(core: House) -> None:
    with time_machine.travel("2026-01-05 12:00 +0000", tick=True) as clock:
        await close(core)
        clock.shift(TEN_YEARS - timedelta(days=1))
        box, _ = await lifecycle.of_closed(core.app, core.dominique)
        await lifecycle.reopen(core.app, box)
        clock.shift(timedelta(days=2))
        await time_passes(core)
        assert (await core.mailbox("dominique")).space_id == core.dominique.space_id


async def test_deletion_that_was_asked_for_comes_within_three_months_unless_it_is_taken_back(core: House) -> None:
    assert DELAYS.deletion_after_days <= DELAYS.deletion_days_most
    with time_machine.travel("2026-01-05 12:00 +0000", tick=True) as clock:
        await close(core, delete=True)
        box, life = await lifecycle.of_closed(core.app, core.dominique)
        assert life.asked_at is not None
        await lifecycle.keep_after_all(core.app, box)
        clock.shift(MONTH + timedelta(days=1))
        await time_passes(core)
        assert (await shut(core)).state == "closed", "it was taken back"
        await lifecycle.ask_deletion(core.app, box)
        with pytest.raises(Conflict):
            await lifecycle.ask_deletion(core.app, box)
        clock.shift(MONTH + timedelta(days=1))
        await time_passes(core)
        space = await core.app.db.read(accounts.space, core.dominique.space_id)
        assert space is not None
        assert space.state == "destroyed"


async def test_an_older_backup_does_not_bring_back_who_was_erased(core: House) -> None:
    file: Path = core.app.settings.erased_file
    file.write_text(f"{core.marcel.space_id}\nno-such-space\n")
    assert await endings.apply(core.app) == 1
    assert await endings.apply(core.app) == 0
    with pytest.raises(PliError):
        await core.mailbox("marcel")
    await core.mailbox("dominique")


async def test_an_operator_records_a_death_and_only_they_can_undo_a_suspension(core: House) -> None:
    await lifecycle.by_operator(core.app, core.marcel.space_id, "died", "Acte de décès reçu", "2026-11-20")
    await lifecycle.by_operator(core.app, core.dominique.space_id, "suspended", "Fraude soupçonnée")
    for who in (core.marcel, core.dominique):
        box, _ = await lifecycle.of_closed(core.app, who)
        with pytest.raises(Conflict, match="not_yours_to_open"):
            await lifecycle.reopen(core.app, box)
    await lifecycle.by_operator(core.app, core.dominique.space_id, "open", "Erreur")
    await core.mailbox("dominique")
    changes = await core.app.db.read(rows.changes, core.dominique.space_id)
    assert [(change.state, change.by) for change in changes] == [("suspended", "operator"), ("open", "operator")]


async def test_a_patient_closes_on_the_web_and_opens_again(house: House) -> None:
    async with visitor(house, "dominique") as visit:
        page = await visit.ask("GET", "/closing")
        assert "Vos volontés, vos directives anticipées" in page.text
        refused = await visit.ask("POST", "/closing", data={"reason": "x"})
        assert refused.status == 422
        done = await visit.ask("POST", "/closing", data={"sure": "yes"})
        assert "Votre espace est fermé" in done.text
    async with visitor(house, "dominique") as visit:
        led = await visit.ask("GET", "/")
        assert (led.status, led.place) == (303, "/closed")
        closed = await visit.ask("GET", "/closed")
        assert "Rouvrir l’espace" in closed.text
        await visit.ask("POST", "/closed", data={"do": "delete"})
        assert "Tout sera détruit le" in (await visit.ask("GET", "/closed")).text
        await visit.ask("POST", "/closed", data={"do": "open"})
        assert (await visit.ask("GET", "/")).status == 200


async def test_when_a_child_comes_of_age_the_space_is_handed_over_with_a_record(core: House) -> None:
    (known,) = await core.app.db.read(delegations.of_space, core.camille.space_id)
    assert known.until_at is not None
    space = await core.app.db.read(accounts.space, core.camille.space_id)
    assert space is not None
    keys = core.app.vault.space(space.id, space.wrapped_key)
    with time_machine.travel(known.until_at / 1000 + 1):
        with pytest.raises(Refused):
            await core.mailbox("dominique", core.camille.mailbox_id)
        target = {"account": core.dominique.account_id, "until": known.until_at}
        delivery = deliveries.Delivery(space.id, "once", "", "delegation", 1, 0, b"")
        await DelegationEnds(core.app).send(Parcel(delivery, keys, target, 1))
        changes = await core.app.db.read(rows.changes, core.camille.space_id)
        assert [change.state for change in changes] == ["majority"]
        assert (await core.mailbox("camille")).ground == "self"


async def test_the_doctors_mailbox_still_works_when_a_patients_key_is_gone(house: House) -> None:
    letter = await house.letter("morel", "dominique", "Secret", "Sujet secret")
    await house.letter("morel", "marcel", "Bonjour Marcel")
    house.app.settings.erased_file.write_text(house.dominique.space_id)
    assert await endings.apply(house.app) == 1
    async with visitor(house, "morel") as visit:
        listed = await visit.get("/")
        assert listed.status == 200
        assert "Bonjour Marcel" in listed.text
        assert "ecret" not in listed.text
        assert (await visit.get(f"/c/{letter.conversation}")).status == 404


def test_the_command_line_says_what_it_needs() -> None:
    told = pli("people", "space", "nobody", "gone", "--reason", "x")
    assert told.returncode == 2
    assert "gone" in told.stderr
