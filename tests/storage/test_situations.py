"""What a person lives with, and what they say of a recommendation: records that stay, on both engines."""

from __future__ import annotations

from datetime import date

from server import access
from server.prevention import known, situations, statuses
from server.prevention.engine import Situation
from server.prevention.statuses import Record
from storage import reminders as rows
from storage import situations as situation_rows
from storage.database import Tx
from storage.ids import now_ms
from tests.house import House


async def test_what_is_said_stays_sealed_and_the_newest_counts(core: House) -> None:
    app, handle = core.app, await access.dossier(core.app, await core.mailbox("dominique"))

    def say(tx: Tx, state: str) -> None:
        situations.add(app, tx, handle, situations.checked("carer", state), state, now_ms())

    for state in ("so", "not_so", "so"):
        await app.db.write(say, state)
    stored = await app.db.read(situation_rows.of, handle.space_id)
    assert [row.state for row in stored] == ["so", "not_so", "so"]
    assert len({row.kind_hash for row in stored}) == 1
    assert all(b"carer" not in row.facts and "carer" not in row.kind_hash for row in stored)
    gathered = await app.db.read(lambda tx: known.of(app, tx, handle))
    assert gathered.person.situations == {"carer": Situation()}
    await app.db.write(say, "withdrawn")
    gathered = await app.db.read(lambda tx: known.of(app, tx, handle))
    assert gathered.person.situations == {}
    assert gathered.situations == ()


async def test_an_answer_taken_back_leaves_what_others_said(core: House) -> None:
    app, space = core.app, core.marcel.space_id
    handle = await access.dossier(app, await core.mailbox("marcel"))
    bot = await access.space_to_write(app, core.lab, space)
    doctor = await access.patient(app, core.leroy, core.ins("marcel"))

    def add(tx: Tx, state: str, who: str) -> None:
        to, source = {"marcel": (handle, "patient"), "bot": (bot, "pli"), "leroy": (doctor, "professional")}[who]
        statuses.add(app, tx, to, "zoster-65", state, {"source": source}, now_ms())

    for state, who in (("sent", "bot"), ("done", "leroy"), ("refused", "marcel")):
        await app.db.write(add, state, who)
    taken = await app.db.write(lambda tx: statuses.take_back(app, tx, handle, "zoster-65", now_ms()))
    assert taken is not None
    assert taken.state == "refused"
    history = await app.db.read(rows.history, space, statuses.rule_hash(app, space, "zoster-65"))
    assert [row.state for row in history] == ["sent", "done", "refused", "withdrawn"]
    stands = statuses.newest(Record.of(handle, row) for row in history)
    assert stands is not None
    assert (stands.state, stands.by) == ("done", core.leroy.account_id)
    assert await app.db.write(lambda tx: statuses.take_back(app, tx, handle, "zoster-65", now_ms())) is None


async def test_every_situation_of_the_rules_is_asked_and_a_pregnancy_is_dated_by_its_term(core: House) -> None:
    book = known.rules_of(core.app).book
    assert situations.kinds().keys() == book.situations.keys()
    assert known.table().examinations.keys() <= book.examinations.keys()
    today = statuses.today()
    facts = situations.checked("pregnancy", "so", date.fromordinal(today.toordinal() + 100).isoformat())
    entry = situations.Entry("1", "pregnancy", "so", facts, "", 0)
    dated = entry.situation()
    assert dated.since is not None
    assert dated.until is not None
    assert (dated.until - dated.since).days == 41 * 7
    assert not entry.over(dated.until)
    assert entry.over(date.fromordinal(dated.until.toordinal() + 250)), "it ends by itself"
