"""Who acts for whom, on both engines: the limits whatever happens at once, the end of a right, what is recorded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
import time_machine

from server import access, delegates, demo, entourage, invitations, people, reading
from server.delivery import Parcel
from server.drafts import Actor, Draft
from server.errors import Conflict, Invalid, NotAllowed, PliError, Refused
from server.posting import post
from storage import delegations, deliveries
from storage.database import Tx
from storage.delegations import EVERYTHING
from tests.house import House

READ = frozenset({"messages"})


async def _somebody(core: House, number: int) -> Actor:
    ins = str(180_000_000_000_000 + number)
    traits = msgspec.structs.replace(demo.HOLDERS["marcel"], ins=ins, given=f"Voisin {number}")
    return await people.open_space(core.app, traits)


async def _invited(core: House, who: Actor, name: str = "Un proche") -> str:
    box = await access.mailbox(core.app, who)
    return await invitations.invite(core.app, box, "helper", name, READ, 12)


async def _news(core: House, name: str) -> list[str]:
    page = await reading.since(core.app, await core.mailbox(name), 0)
    return [entry.message.text for entry in page.entries]


# ---- limits, and what happens at once ----


async def test_of_two_acceptances_of_one_code_at_once_one_is_refused(core: House) -> None:
    code = await _invited(core, core.marcel)
    others = [await _somebody(core, 1), await _somebody(core, 2)]
    answers = await asyncio.gather(*(invitations.accept(core.app, one, code) for one in others), return_exceptions=True)
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Invalid]
    assert answers.count(core.marcel.mailbox_id) == 1
    assert len(await core.app.db.read(delegations.of_space, core.marcel.space_id)) == 1


async def test_nobody_helps_a_sixth_person_even_by_six_acceptances_at_once(core: House) -> None:
    helped = [await _somebody(core, number) for number in range(6)]
    codes = [await _invited(core, one) for one in helped]
    answers = await asyncio.gather(
        *(invitations.accept(core.app, core.dominique, code) for code in codes), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, PliError)]
    assert [answer.code for answer in refused] == ["helping_full"]
    known = await core.app.db.read(delegations.of_account, core.dominique.account_id)
    assert len([one for one in known if one.kind == "helper"]) == delegates.PEOPLE_PER_HELPER
    left = helped[[isinstance(answer, PliError) for answer in answers].index(True)]
    waiting = await core.app.db.read(delegations.waiting, left.space_id)
    assert len(waiting) == 1, "the code that could not be taken is still good"


async def test_a_fourth_helper_is_refused_whether_three_act_or_are_only_expected(core: House) -> None:
    codes = [await _invited(core, core.marcel, f"Proche {number}") for number in range(3)]
    with pytest.raises(Conflict, match="helpers_full"):
        await _invited(core, core.marcel, "Quatrième")
    for number, code in enumerate(codes):
        await invitations.accept(core.app, await _somebody(core, number), code)
    with pytest.raises(Conflict, match="helpers_full"):
        await _invited(core, core.marcel, "Quatrième")


async def test_three_helpers_stay_three_when_five_codes_are_taken_at_once(core: House) -> None:
    codes = [await _invited(core, core.marcel, f"Proche {number}") for number in range(3)]
    known = {waiting.id for waiting in await core.app.db.read(delegations.waiting, core.marcel.space_id)}

    def forget(tx: Tx) -> None:  # as if the count beforehand had been passed by: the acceptance counts again
        for waiting in known:
            tx.run("UPDATE invitations SET expires_at = 0 WHERE id = :id", id=waiting)

    def remember(tx: Tx) -> None:
        tx.run("UPDATE invitations SET expires_at = :far", far=2**52)

    await core.app.db.write(forget)
    codes += [await _invited(core, core.marcel, f"Ami {number}") for number in range(2)]
    await core.app.db.write(remember)
    people_ = [await _somebody(core, number) for number in range(5)]
    answers = await asyncio.gather(
        *(invitations.accept(core.app, one, code) for one, code in zip(people_, codes, strict=True)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(Conflict) == 2
    assert len(await core.app.db.read(delegations.of_space, core.marcel.space_id)) == 3


# ---- codes ----


async def test_a_code_works_once_however_it_is_typed_and_a_new_one_kills_the_old(core: House) -> None:
    old = await _invited(core, core.marcel, "Dominique")
    new = await _invited(core, core.marcel, "dominique")
    assert set(new.replace(" ", "")) <= set(invitations.ALPHABET)
    assert len(new.replace(" ", "")) == invitations.LENGTH
    with pytest.raises(Invalid, match="no_such_code"):
        await invitations.asked(core.app, core.dominique, old)
    asked = await invitations.asked(core.app, core.dominique, new.lower().replace(" ", "-"))
    assert (asked.name, asked.birth_year, asked.scopes) == ("Marcel PAT-DEUX", "1950", READ)
    await invitations.accept(core.app, core.dominique, new)
    with pytest.raises(Invalid, match="no_such_code"):
        await invitations.accept(core.app, core.dominique, new)
    rows = await core.app.db.read(lambda tx: tx.run("SELECT hash, facts FROM invitations"))
    assert not any(new in str(row) or "ominique" in str(row) for row in rows)


async def test_a_code_is_good_for_fourteen_days(core: House) -> None:
    code = await _invited(core, core.marcel)
    now = datetime.now(UTC).timestamp()
    with time_machine.travel(now + 14 * 86_400 + 5, tick=True), pytest.raises(Invalid, match="no_such_code"):
        await invitations.accept(core.app, core.dominique, code)
    with time_machine.travel(now + 14 * 86_400 - 60, tick=True):
        await invitations.accept(core.app, core.dominique, code)


async def test_a_code_is_for_another_adult_and_guessing_is_braked(core: House) -> None:
    code = await _invited(core, core.marcel)
    with pytest.raises(Invalid, match="own_code"):
        await invitations.asked(core.app, core.marcel, code)
    with pytest.raises(NotAllowed, match="minor_helper"):
        await invitations.accept(core.app, core.camille, code)
    with pytest.raises(Invalid, match="no_such_code"):
        await invitations.accept(core.app, core.morel, code)
    answers = []
    for _ in range(invitations.TRIES + 1):
        with pytest.raises(PliError) as said:
            await invitations.asked(core.app, core.dominique, "AAAA AAAA AAAA AAAA")
        answers.append(said.value.code)
    assert answers == ["no_such_code"] * invitations.TRIES + ["too_often"]


# ---- both parents ----


async def test_both_parents_of_camille_are_equal_and_a_third_is_refused(core: House) -> None:
    box = await core.mailbox("dominique", core.camille.mailbox_id)
    with pytest.raises(Invalid, match="not_sworn"):
        await invitations.invite(core.app, box, "representative", "Marcel")
    code = await invitations.invite(core.app, box, "representative", "Marcel", sworn=True)
    with pytest.raises(Invalid, match="not_sworn"):
        await invitations.accept(core.app, core.marcel, code)
    assert await invitations.accept(core.app, core.marcel, code, sworn=True) == core.camille.mailbox_id
    hers = await core.app.db.read(delegations.in_force, core.camille.space_id, core.dominique.account_id)
    his = await core.app.db.read(delegations.in_force, core.camille.space_id, core.marcel.account_id)
    assert hers
    assert his
    assert (hers.kind, hers.scopes, hers.until_at) == (his.kind, his.scopes, his.until_at)
    with pytest.raises(Conflict, match="representatives_full"):
        await invitations.invite(core.app, box, "representative", "Un tiers", sworn=True)
    with pytest.raises(Refused):
        await delegates.end(core.app, box, core.marcel.account_id)  # neither ends the other
    with pytest.raises(Refused):
        await core.mailbox("morel", core.camille.mailbox_id)


async def test_an_operator_records_and_ends_a_representative(core: House) -> None:
    camille, marcel = core.camille.space_id, core.marcel.account_id
    assert await delegates.represent(core.app, camille, marcel) == "2037-06-13T22:00:00.000Z"
    assert (await core.mailbox("marcel", core.camille.mailbox_id)).ground == "representative"
    with pytest.raises(Conflict):
        await delegates.represent(core.app, camille, marcel)
    await delegates.unrepresent(core.app, camille, marcel)
    with pytest.raises(Refused):
        await core.mailbox("marcel", core.camille.mailbox_id)
    with pytest.raises(Invalid, match="no_end"):
        await delegates.represent(core.app, core.dominique.space_id, marcel)
    assert "Marcel PAT-DEUX agit désormais" in (await _news(core, "camille"))[0]


# ---- the instant a right ends ----


async def test_at_eighteen_the_space_is_the_childs_and_the_parents_see_nothing_any_more(core: House) -> None:
    camille = core.camille
    await delegates.represent(core.app, camille.space_id, core.marcel.account_id)
    letter = await core.letter("morel", "camille", "Bonjour")
    box = await core.mailbox("marcel", camille.mailbox_id)
    handle = await access.conversation(core.app, box, letter.conversation)
    eighteen = people.majority("2019-06-14")
    assert eighteen == datetime(2037, 6, 13, 22, tzinfo=UTC).timestamp() * 1000, "midnight in Paris, in summer"
    with time_machine.travel(eighteen / 1000 - 1, tick=False):
        await post(core.app, core.marcel, Draft(to=handle, text="Encore moi."))
    with time_machine.travel(eighteen / 1000, tick=False):
        for who in ("marcel", "dominique"):
            with pytest.raises(Refused):
                await core.mailbox(who, camille.mailbox_id)
        with pytest.raises(Refused):  # the handle was obtained before: the write decides again
            await post(core.app, core.marcel, Draft(to=handle, text="Trop tard."))
        [due] = await core.app.db.write(deliveries.claim, 1000, 10)
        keys = await core.app.db.read(lambda tx: reading.space_keys(core.app, tx, camille.space_id))
        target = {"account": core.marcel.account_id, "until": eighteen}
        for _ in range(2):  # a worker that dies does it again
            await delegates.DelegationEnds(core.app).send(Parcel(due, keys, target, 1))
        hers = await access.mailbox(core.app, camille)
        seen = await entourage.overview(core.app, hers)
    assert [text for text in await _news(core, "camille") if "18 ans" in text] == [
        "Vous avez 18 ans : cet espace est désormais le vôtre seul. Leur accès est terminé : Dominique PAT-TROIS, "
        "Marcel PAT-DEUX."
    ]
    assert [(one.name, one.until[:10], one.over) for one in seen.past] == [
        ("Dominique PAT-TROIS", "2037-06-13", True),
        ("Marcel PAT-DEUX", "2037-06-13", True),
    ]
    assert (seen.acting, seen.minor, seen.manages) == ([], False, True)


def test_somebody_born_on_a_29th_of_february_is_of_age_on_the_first_of_march() -> None:
    instant = people.majority("2008-02-29")
    assert instant is not None
    assert datetime.fromtimestamp(instant / 1000, UTC).isoformat() == "2026-02-28T23:00:00+00:00"
    assert people.majority("1979-00-00") is None


async def test_a_helper_whose_day_has_passed_may_nothing_and_may_be_asked_again(core: House) -> None:
    await invitations.accept(core.app, core.dominique, await _invited(core, core.marcel))
    known = await core.app.db.read(delegations.in_force, core.marcel.space_id, core.dominique.account_id)
    assert known
    assert known.until_at
    with time_machine.travel(known.until_at / 1000, tick=True):
        with pytest.raises(Refused):
            await core.mailbox("dominique", core.marcel.mailbox_id)
        box = await core.mailbox("marcel")
        with pytest.raises(Refused):
            await delegates.change(core.app, box, core.dominique.account_id, READ, 1)
        await invitations.accept(core.app, core.dominique, await _invited(core, core.marcel))
        assert (await core.mailbox("dominique", core.marcel.mailbox_id)).ground == "helper"


# ---- what the holder reads of it ----


async def test_every_step_is_a_record_an_audit_row_and_a_line_for_the_holder(core: House) -> None:
    box = await core.mailbox("marcel")
    refused = await invitations.invite(core.app, box, "helper", "Jean", READ, 1)
    await invitations.refuse(core.app, core.dominique, refused)
    await invitations.invite(core.app, box, "helper", "Paul", READ, 1)
    [waiting] = await core.app.db.read(delegations.waiting, core.marcel.space_id)
    await invitations.withdraw(core.app, box, waiting.id)
    await invitations.accept(core.app, core.dominique, await _invited(core, core.marcel, "Dominique"))
    await delegates.change(core.app, box, core.dominique.account_id, EVERYTHING, 3)
    await delegates.end(core.app, box, core.dominique.account_id)
    await invitations.accept(core.app, core.dominique, await _invited(core, core.marcel, "Dominique"))
    await delegates.resign(core.app, await core.mailbox("dominique", core.marcel.mailbox_id))

    steps = ["invited", "refused", "invited", "withdrawn", "invited", "accepted", "changed", "ended"]
    steps += ["invited", "accepted", "resigned"]
    seen = await entourage.overview(core.app, box)
    assert [one.what for one in reversed(seen.history)] == steps
    assert {(one.what, one.by) for one in seen.history} >= {
        ("refused", "Dominique PAT-TROIS"), ("changed", "Marcel PAT-DEUX"), ("resigned", "Dominique PAT-TROIS"),
    }  # fmt: skip
    rows = await core.app.db.read(
        lambda tx: tx.run(
            "SELECT outcome, actor_id FROM audit WHERE space_id = :s AND act LIKE 'delegation:%' ORDER BY at",
            s=core.marcel.space_id,
        )
    )
    assert sorted(row[0] for row in rows) == sorted(steps)
    assert {row[1] for row in rows} == {core.marcel.account_id, core.dominique.account_id}
    lines = await _news(core, "marcel")
    assert len(lines) == len(steps)
    assert lines[5].startswith("Dominique PAT-TROIS peut agir dans cet espace jusqu’au ")
    assert lines[5].endswith(": messages (lire seulement).")
    assert lines[6].endswith(": messages, documents, agenda, services (lire et écrire).")
    assert await reading.unread(core.app, box) == len(steps)
