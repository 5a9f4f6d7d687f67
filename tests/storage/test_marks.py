"""The list, how it is kept, and what a search finds; on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import pytest
import time_machine

from server import access, listing, marks, search
from server.agenda.book import appointment_card
from server.drafts import Draft, Opening, Receipt
from server.errors import Invalid, NotAllowed, Refused
from server.handles import ConversationHandle
from server.listing import Choice, Listed
from server.posting import post
from server.search import Asked, Found
from server.settings import PLACE
from storage import entries
from storage import listing as rows
from storage import marks as records
from storage.database import Tx
from tests.house import House

T = TypeVar("T")


async def listed(core: House, who: str, name: str = "all", label: str = "", mailbox: str = "") -> Listed:
    return await listing.page(core.app, await core.mailbox(who, mailbox), Choice(name, label), None, 40)


async def subjects(core: House, who: str, name: str = "all", label: str = "") -> list[str]:
    return [row.subject for row in (await listed(core, who, name, label)).rows]


async def handle(core: House, who: str, conversation: str, mailbox: str = "") -> ConversationHandle:
    return await access.conversation(core.app, await core.mailbox(who, mailbox), conversation)


async def keep(core: House, who: str, sent: Receipt, kind: str, on: bool = True, label: str = "") -> None:
    box = await core.mailbox(who)
    await marks.put(core.app, box, await handle(core, who, sent.conversation), kind, on, label)


async def find(core: House, who: str, words: str, **asked: Any) -> Found:
    return await search.search(core.app, await core.mailbox(who), Asked(words, **asked))


def today() -> date:
    """The day on a clock in Paris."""
    return datetime.now(PLACE).date()


def texts(found: Found) -> list[str]:
    return ["".join(piece for piece, _ in hit.excerpt) for group in found.groups for hit in group.hits]


# ---- keeping ---------------------------------------------------------------------------------------------------------


async def test_an_archived_conversation_comes_back_with_the_next_letter_unless_it_is_muted(core: House) -> None:
    knee, lab = await core.letter("morel", "dominique", subject="Genou"), await core.letter("lab", "dominique")
    for sent in (knee, lab):
        await keep(core, "dominique", sent, "archived")
    assert await subjects(core, "dominique") == []
    assert await subjects(core, "dominique", "archived") == ["Consignes", "Genou"]

    await keep(core, "dominique", lab, "muted")
    await core.answer("morel", knee.conversation, "Encore ceci.")
    await core.answer("lab", lab.conversation, "Un résultat de plus.")
    seen = await listed(core, "dominique")
    assert [row.subject for row in seen.rows] == ["Genou"]
    assert (seen.counts["archived"], seen.unread, seen.quiet) == (1, 4, 2), "it is counted, without a notice"
    assert sorted(await subjects(core, "dominique", "unread")) == ["Consignes", "Genou"]
    mailbox = core.dominique.mailbox_id
    muted = [await core.app.db.read(records.is_muted, mailbox, sent.conversation) for sent in (knee, lab)]
    assert muted == [False, True]

    await keep(core, "dominique", lab, "muted", on=False)
    assert await subjects(core, "dominique") == ["Consignes", "Genou"], "what came meanwhile is news again"


async def test_a_mark_is_a_record_with_its_author_and_moves_the_cursor(core: House) -> None:
    sent = await core.letter("morel", "camille")
    mailbox = core.camille.mailbox_id
    before = await core.app.db.read(entries.last_seq, mailbox)
    box = await core.mailbox("dominique", mailbox)
    await marks.put(core.app, box, await handle(core, "dominique", sent.conversation, mailbox), "pinned", True, "")
    (mark,) = await core.app.db.read(records.of, mailbox, [sent.conversation])
    assert (mark.by, mark.seq) == (core.dominique.account_id, before + 1), "her mother's own name, in Camille's mailbox"
    assert await core.app.db.read(entries.last_seq, mailbox) > before
    assert [row.kept.pinned for row in (await listed(core, "camille")).rows] == [True]
    assert [row.kept.pinned for row in (await listed(core, "morel")).rows] == [False], "nobody else's to know"
    with pytest.raises(Refused):
        await keep(core, "marcel", sent, "pinned")
    with pytest.raises(Invalid):
        await keep(core, "camille", sent, "deleted")


async def test_ten_at_most_are_pinned_and_stand_first(core: House) -> None:
    sent = [await core.letter("morel", "dominique", subject=f"Lettre {number}") for number in range(12)]
    for one in sent[:10]:
        await keep(core, "dominique", one, "pinned")
    with pytest.raises(NotAllowed, match="too_many_pinned"):
        await keep(core, "dominique", sent[10], "pinned")
    shown = await listed(core, "dominique")
    assert [row.subject for row in shown.rows] == [f"Lettre {number}" for number in (*range(9, -1, -1), 11, 10)]
    assert await subjects(core, "dominique", "pinned") == [f"Lettre {number}" for number in range(9, -1, -1)]


async def test_labels_are_sealed_several_to_a_conversation_and_twenty_at_most(core: House) -> None:
    app, box = core.app, await core.mailbox("dominique")
    knee, lab = await core.letter("morel", "dominique", subject="Genou"), await core.letter("lab", "dominique")
    first = await marks.name_label(app, box, "  Cormoran   du genou ")
    second = await marks.name_label(app, box, "À payer")
    await keep(core, "dominique", lab, "label", label=second)
    await marks.relabel(app, box, await handle(core, "dominique", knee.conversation), {first, second})
    seen = await listed(core, "dominique", "label", second)
    assert [row.subject for row in seen.rows] == ["Consignes", "Genou"]
    assert [label.name for label in seen.rows[1].kept.labels] == ["À payer", "Cormoran du genou"]
    assert {label.name: label.count for label in seen.labels} == {"À payer": 2, "Cormoran du genou": 1}
    kept = await app.db.read(lambda tx: tx.run("SELECT name FROM labels"))
    assert not any(b"ormoran" in row[0] for row in kept)

    await marks.name_label(app, box, "Genou droit", first)
    await marks.remove_label(app, box, second)
    assert [label.name for row in (await listed(core, "dominique")).rows for label in row.kept.labels] == [
        "Genou droit"
    ]
    with pytest.raises(Refused):
        await keep(core, "dominique", lab, "label", label=second)
    with pytest.raises(Invalid, match="label_taken"):
        await marks.name_label(app, box, "GENOU DROIT")
    with pytest.raises(Invalid, match="label_long"):
        await marks.name_label(app, box, "é" * 41)
    for number in range(19):
        await marks.name_label(app, box, f"Étiquette {number}")
    with pytest.raises(NotAllowed, match="too_many_labels"):
        await marks.name_label(app, box, "Une de trop")


# ---- the list --------------------------------------------------------------------------------------------------------


async def test_each_filter_shows_what_it_counts(core: House) -> None:
    question = await core.letter("morel", "dominique", "Avez-vous mal ?", "Question")
    await core.letter("morel", "dominique", "Bonne journée.\n\n> Avez-vous mal ?", "Nouvelles")
    await core.letter("lab", "dominique", "Votre bilan.", "Bilan")
    card = appointment_card(
        title="Consultation", text="", uid="1@pli.example", sequence=0, start="2099-12-01T08:30:00+01:00",
        end="", all_day=False, location="", organizer="Dr Agathe MOREL", ics="",
    )  # fmt: skip
    await core.letter("morel", "dominique", "", "Rendez-vous", kind="card", card=card)
    assert sorted(await subjects(core, "dominique", "waiting")) == ["Question", "Rendez-vous"]
    assert await subjects(core, "morel", "waiting") == []
    await core.answer("dominique", question.conversation, "Un peu, la nuit.")
    assert await subjects(core, "dominique", "waiting") == ["Rendez-vous"]
    assert await subjects(core, "morel", "waiting") == ["Question"], "a patient's word waits for an answer"
    assert await subjects(core, "dominique", "appointments") == ["Rendez-vous"]
    assert await subjects(core, "dominique", "machines") == ["Bilan"]
    for who in ("dominique", "morel", "marcel"):
        counted = (await listed(core, who)).counts
        for name in rows.FILTERS:
            if name not in {"label", "everything"}:
                assert len((await listed(core, who, name)).rows) == counted[name], (who, name)


async def statements(core: House, ask: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many statements an answer takes."""
    told: list[str] = []
    with monkeypatch.context() as patched:
        read = core.app.db.read

        async def counted(fn: Callable[..., T], *args: Any, **more: Any) -> T:
            def run(tx: Tx, *also: Any, **rest: Any) -> T:
                class Counting:
                    engine = tx.engine

                    def run(self, sql: str, **params: Any) -> list[Any]:
                        told.append(sql)
                        return tx.run(sql, **params)

                return fn(Counting(), *also, **rest)

            return await read(run, *args, **more)

        patched.setattr(core.app.db, "read", counted)
        await ask()
    return len(told)


async def test_a_page_of_the_list_is_the_same_few_statements_however_much_there_is(
    core: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one(number: int) -> None:
        sent = await core.letter("morel", "dominique", f"Lettre {number} ?", f"Suivi {number}")
        await core.answer("dominique", sent.conversation, "Merci.")

    box = await core.mailbox("dominique")

    def page() -> Any:
        return listing.page(core.app, box, Choice(), None, 40)

    await one(0)
    few = await statements(core, page, monkeypatch)
    for number in range(1, 45):
        await one(number)
    shown = await page()
    assert (len(shown.rows), shown.more) == (40, True)
    assert await statements(core, page, monkeypatch) == few <= 16
    assert [row.last.status for row in shown.rows] == ["delivered"] * 40

    if core.app.db.engine == "sqlite":  # the whole mailbox is never walked for a page, nor for a row of it
        asked: list[tuple[str, dict[str, Any]]] = []

        def plans(tx: Tx) -> list[str]:
            class Explained:
                engine = tx.engine

                def run(self, sql: str, **params: Any) -> list[Any]:
                    asked.append((sql, params))
                    return tx.run(sql, **params)

            ids = [row.id for row in shown.rows]
            rows.rows(Explained(), box.mailbox_id, "all", "", 2**62, 41, pinned=False)
            rows.people(Explained(), box.mailbox_id, ids)
            rows.attachments(Explained(), box.mailbox_id, ids)
            rows.receipts(Explained(), box.mailbox_id, ids)
            rows.drafted(Explained(), box.mailbox_id, "x", ids)
            return [str(step[3]) for sql, params in asked for step in tx.run(f"EXPLAIN QUERY PLAN {sql}", **params)]

        steps = await core.app.db.read(plans)
        assert any("threads_by_recency" in step for step in steps)
        assert [step for step in steps if step.startswith("SCAN")] == []


# ---- finding ---------------------------------------------------------------------------------------------------------


async def test_search_folds_and_finds_the_beginnings_of_words_and_phrases(core: House) -> None:
    await core.letter("morel", "dominique", "Restez à jeun dès minuit, la veille de l’opération du cœur.", "Veille")
    await core.letter("lab", "dominique", "RAPPEL : OPERATION PREVUE.", "Bilan")

    async def seen(words: str) -> list[str]:
        return [group.subject[0][0] for group in (await find(core, "dominique", words)).groups]

    assert await seen("opération") == await seen("OPÉRAT") == ["Bilan", "Veille"]
    assert await seen("coeur operation") == await seen("cœur") == await seen("l’opérat") == ["Veille"]
    assert await seen('"à jeun dès"') == await seen("« a jeun »") == ["Veille"]
    assert await seen('"jeun à"') == await seen("ration") == await seen("opération radiographie") == []
    assert await seen("ope\N{COMBINING ACUTE ACCENT}ration") == ["Bilan", "Veille"]
    assert (await find(core, "dominique", "prevue")).groups[0].hits[0].excerpt == [
        ("RAPPEL : OPERATION ", False), ("PREVUE", True), (".", False)
    ]  # fmt: skip
    assert (await find(core, "marcel", "opération")).hits == 0


async def test_search_finds_people_who_never_wrote_and_days(core: House) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    with time_machine.travel(noon - timedelta(days=400), tick=True):
        then = today()
        await core.letter("morel", "dominique", "Bonjour.", "Autrefois")
    await core.letter("morel", "marcel", "Rendez-vous le 3 mai 2031.", "Consultation")
    found = await find(core, "morel", "marcel")
    assert [("".join(text for text, _ in group.subject), len(group.hits)) for group in found.groups] == [
        ("Consultation", 1)
    ]
    assert any(hit for _, hit in found.groups[0].people), "who it is stands out"
    for asked in ("3 mai", "mai 2031", "03/05/2031", "3/5/31", "May 2031", "2031-05-03", "le 3 mai 2031 rendez"):
        assert texts(await find(core, "marcel", asked)) == ["Rendez-vous le 3 mai 2031."], asked
    assert (await find(core, "marcel", "4 mai 2031")).hits == 0
    month = f"{then.day}/{then.month}/{then.year}"
    (hit,) = (await find(core, "dominique", month)).groups[0].hits
    assert hit.on_day
    tomorrow = today() + timedelta(days=1)
    assert (await find(core, "marcel", "hier", today=tomorrow)).hits == 1
    assert (await find(core, "marcel", "hier")).hits == 0
    assert (await find(core, "dominique", "", until=then)).hits == 1
    assert (await find(core, "dominique", "", since=then + timedelta(days=1))).hits == 0


async def test_what_is_found_in_a_subject_or_a_name_alone_stands_once_for_its_conversation(core: House) -> None:
    sent = await core.letter("morel", "dominique", "Bonjour.", "Votre opération")
    for number in range(5):
        await core.answer("morel", sent.conversation, f"Point {number}.")
    assert (await find(core, "dominique", "opération")).hits == 1
    assert (await find(core, "dominique", "morel")).hits == 1
    assert (await find(core, "dominique", "morel point")).hits == 5
    assert (await find(core, "dominique", "", author="Morel")).hits == 6
    assert (await find(core, "dominique", "point", author="Durand")).hits == 0
    await keep(core, "dominique", sent, "archived")
    assert (await find(core, "dominique", "point")).hits == 5, "what is archived is found"
    assert (await find(core, "dominique", "point", chosen=Choice("archived"))).hits == 5
    assert (await find(core, "dominique", "point", chosen=Choice("unread"))).hits == 5
    assert (await find(core, "dominique", "point", chosen=Choice("pinned"))).hits == 0


async def test_a_long_search_stops_says_so_and_goes_on_without_a_gap(core: House) -> None:
    space = await access.patient(core.app, core.morel, core.ins("dominique"))
    opened = await post(core.app, core.morel, Draft(to=Opening(space, "Suivi"), text="aiguille 0"))
    to = await handle(core, "morel", opened.conversation)
    for number in range(1, 300):
        text = f"aiguille {number}" if number % 5 == 0 else f"paille {number}"
        await post(core.app, core.morel, Draft(to=to, text=text))
    box, seen, before = await core.mailbox("dominique"), list[str](), None
    pages = []
    while before != 0:
        found = await search.search(core.app, box, Asked("aiguille"), before=before, patience=0)
        pages.append((found.hits, found.stopped))
        seen += texts(found)
        before = found.next
    assert seen == [f"aiguille {number}" for number in range(295, -1, -5)]
    assert pages[0][0] == 50
    stopped = await search.search(core.app, box, Asked("fourchette"), patience=0)
    assert (stopped.hits, stopped.looked, stopped.stopped, stopped.back_to) == (0, 250, True, today())
    rest = await search.search(core.app, box, Asked("fourchette"), before=stopped.next)
    assert (rest.looked, rest.stopped, rest.next) == (50, False, 0)
