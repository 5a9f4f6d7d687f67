"""A thread by links alone: where it opens, what it costs, who reads it and how soon they answer, what became of what
one wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from server import access, audit, posting, reading, windows
from server.audit import Act
from server.drafts import Author, Body, Draft, Member, Opening
from server.hours import DAYS
from server.replies import opening_days, usual
from storage import entries, messages
from storage import hours as hours_rows
from storage.database import Row, SqliteTx, Tx
from storage.hours import Hours
from storage.ids import new_id
from storage.messages import Message
from tests.browser.visitor import visitor
from tests.house import House
from webchat import texts

WORKING = frozenset(DAYS[:5])


async def many(house: House, conversation: str, count: int, *, read: bool = False) -> list[str]:
    """Dr Morel wrote `count` messages more, one transaction; returns their ids, oldest first."""
    handle = await access.conversation(house.app, await house.mailbox("dominique"), conversation)
    author = Author("professional", "Dr Agathe MOREL", "Chirurgienne orthopédiste", "CHU de Pli")
    ids: list[str] = []

    def write(tx: Tx) -> None:
        ids.clear()
        start = 1_700_000_000_000
        for number in range(count):
            name = new_id()
            body = msgspec.json.encode(Body(author, "", f"Message numéro {number}."))
            message = Message(
                name, conversation, start + number * 60_000, "text", "professional", house.morel.account_id,
                b"", "", "", 0, 0,
            )  # fmt: skip
            messages.insert(tx, handle.space_id, message, handle.keys.seal("body", name, body))
            audit.record(tx, Act.MESSAGE_POSTED, house.morel, handle.space_id, "participant", name)
            for who in ("dominique", "morel"):
                box = house.people[who].mailbox_id
                entries.add(tx, box, handle.space_id, conversation, name, own=read or who == "morel")
            ids.append(name)

    await house.app.db.write(write)
    return ids


def thread_of(text: str) -> str:
    """The messages of a page, without what stands beside them."""
    return text.partition("data-entries")[2].partition("</ol>")[0]


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"Message numéro (\d+)\.", text)]


# ---- where it opens ------------------------------------------------------------------------------------------------


async def test_with_hundreds_unread_a_thread_opens_at_the_first_of_them(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Le début")
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique:
        await dominique.get(thread)
        await many(house, receipt.conversation, 60, read=True)
        await many(house, receipt.conversation, 300)
        page = await dominique.get(thread)
        before, _, after = thread_of(page.text).partition('id="new"')
        assert numbers(after)[0] == 0
        assert numbers(before)[-1] == 59, "a little of what was read stands before it"
        assert len(numbers(before)) < 10
        shown = len(numbers(after))
        assert await reading.unread(house.app, await house.mailbox("dominique")) == 300 - shown
        assert "Messages plus récents" in page.said
        (onwards,) = set(re.findall(rf'href="({thread}\?after=\d+)"', page.text))
        following = await dominique.get(onwards)
        assert numbers(thread_of(following.text))[0] == shown
        await dominique.get(f"{thread}?before={2**53}")
        end = await dominique.get(f"{thread}?before={2**53}")
    assert numbers(thread_of(end.text))[-1] == 299
    left = await reading.unread(house.app, await house.mailbox("dominique"))
    assert left == 300 - shown - len(numbers(thread_of(following.text))) - len(numbers(thread_of(end.text))), (
        "what was not shown is not read"
    )


async def test_a_message_that_was_found_is_shown_among_those_around_it_and_what_lies_unread_stays_so(
    house: House,
) -> None:
    receipt = await house.letter("morel", "dominique", "Le début")
    ids = await many(house, receipt.conversation, 200)
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(f"{thread}?at={ids[150]}")
        assert f'id="m-{ids[150]}"' in page.text
        found = numbers(thread_of(page.text))
        assert found == list(range(found[0], found[-1] + 1))
        assert found[0] < 150 < found[-1]
        assert 'id="new"' not in page.text
        assert await reading.unread(house.app, await house.mailbox("dominique")) == 201 - len(found)
        for wrong in ("absent", "x" * 300):
            assert (await dominique.get(f"{thread}?at={wrong}")).status == 404
        other = await house.letter("morel", "dominique", "Ailleurs")
        assert (await dominique.get(f"{thread}?at={other.message}")).status == 404


async def test_every_message_is_reached_once_by_going_back_and_by_going_forth(sqlite_core: House) -> None:
    house = sqlite_core
    receipt = await house.letter("morel", "dominique", "Le début")
    ids = [receipt.message, *await many(house, receipt.conversation, 130)]
    handle = await access.conversation(house.app, await house.mailbox("dominique"), receipt.conversation)
    back: list[str] = []
    at: int | None = 2**53
    while at is not None:
        part = await windows.window(house.app, handle, before=at, limit=20)
        back = [entry.message.id for entry in part.entries] + back
        at = part.older
    forth: list[str] = []
    at = 0
    while at is not None:
        part = await windows.window(house.app, handle, after=at, limit=20)
        forth += [entry.message.id for entry in part.entries]
        at = part.newer
    assert back == forth == ids


async def test_a_part_alone_marks_nothing_and_is_the_same_as_on_the_page(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Le début")
    await many(house, receipt.conversation, 80)
    async with visitor(house, "dominique") as dominique:
        part = await dominique.get(f"/c/{receipt.conversation}/entries?before=40")
        assert await reading.unread(house.app, await house.mailbox("dominique")) == 81
        assert numbers(part.text)[-1] == 37
        assert part.text.startswith("<ol data-older=")
    async with visitor(house, "marcel") as marcel:
        assert (await marcel.get(f"/c/{receipt.conversation}/entries")).status == 404


async def test_a_thread_of_thousands_costs_the_statements_of_a_short_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    run: Callable[..., list[Row]] = SqliteTx.run

    def counting(self: SqliteTx, sql: str, **params: Any) -> list[Row]:
        counted.append(sql)
        return run(self, sql, **params)

    receipt = await house.letter("morel", "dominique", "Le début")
    await many(house, receipt.conversation, 60, read=True)
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique, visitor(house, "morel") as morel:
        for who in (dominique, morel):
            await who.get(thread)
        cost = {}
        for size in ("short", "long"):
            for name, who in (("dominique", dominique), ("morel", morel)):
                tries = []
                with monkeypatch.context() as watched:
                    watched.setattr(SqliteTx, "run", counting)
                    for _ in range(3):  # the house does other things meanwhile: the least counts
                        counted.clear()
                        assert (await who.get(thread)).status == 200
                        tries.append(len(counted))
                cost[size, name] = min(tries)
            if size == "short":
                await many(house, receipt.conversation, 4_000, read=True)
    assert cost["long", "dominique"] == cost["short", "dominique"]
    assert cost["long", "morel"] == cost["short", "morel"]
    assert max(cost.values()) < 80


# ---- what became of it ---------------------------------------------------------------------------------------------


async def state(house: House, who: str, conversation: str) -> list[str]:
    """The states somebody reads under their own messages."""
    async with visitor(house, who) as somebody:
        page = thread_of((await somebody.get(f"/c/{conversation}")).text)
    found = re.findall(r'<(?:p|details) class="state soft[^>]*>(?:<summary>)?(.*?)</(?:p|summary)>', page)
    return [" ".join(re.sub(r"<[^>]+>", " ", said).split()) for said in found]


async def test_ones_words_are_delivered_then_read_then_answered(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    await house.answer("dominique", receipt.conversation, "Dois-je venir à jeun ?")
    assert await state(house, "dominique", receipt.conversation) == ["Remis"]
    async with visitor(house, "morel") as morel:
        await morel.get(f"/c/{receipt.conversation}")
    (read,) = await state(house, "dominique", receipt.conversation)
    assert re.fullmatch(r"Lu par Dr MOREL à \d+ h \d\d", read)
    await house.answer("morel", receipt.conversation, "Oui, dès minuit.")
    (answered,) = await state(house, "dominique", receipt.conversation)
    assert re.fullmatch(r"Répondu par Dr MOREL à \d+ h \d\d", answered)


async def test_an_answer_changes_what_was_asked_on_every_device_of_who_asked(sqlite_core: House) -> None:
    house = sqlite_core
    receipt = await house.letter("morel", "dominique")
    asked = [await house.answer("dominique", receipt.conversation, text) for text in ("Une chose", "Et une autre")]
    box = await house.mailbox("dominique")
    cursor = await reading.cursor(house.app, box)
    await house.answer("morel", receipt.conversation, "Voici.")
    page = await reading.since(house.app, box, cursor)
    changes = [entry for entry in page.entries if entry.kind == "change"]
    assert page.entries[0].message.text == "Voici.", "news comes first"
    assert {entry.message.id for entry in changes} == {receipt.message for receipt in asked}
    assert {(entry.message.status, entry.message.status_by) for entry in changes} == {("answered", "Dr Agathe MOREL")}
    await house.answer("morel", receipt.conversation, "Encore ceci.")
    again = await reading.since(house.app, box, page.cursor)
    assert [entry.kind for entry in again.entries] == ["message"], "what was answered is not answered again"


async def written_to_several(house: House, *others: Member) -> str:
    """Dominique answers Dr Morel, the admissions and others."""
    space = await access.patient(house.app, house.morel, house.ins("dominique"))
    team = house.admissions
    joined = Member(team.account_id, team.mailbox_id, team.organisation_id, team.name, team.address, team.role)
    draft = Draft(to=Opening(space, "Votre opération", (joined, *others)), text="Bonjour")
    receipt = await posting.post(house.app, house.morel, draft)
    await house.answer("dominique", receipt.conversation, "Merci à tous.")
    return receipt.conversation


async def test_of_several_who_were_written_to_one_sees_how_many_read_it_and_who(house: House) -> None:
    conversation = await written_to_several(house)
    assert await state(house, "dominique", conversation) == ["Remis"]
    async with visitor(house, "morel") as morel:
        await morel.get(f"/c/{conversation}")
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(f"/c/{conversation}")
    assert "Lu par 1 personne sur 2" in page.said
    assert re.search(r"Dr Agathe MOREL : Lu à \d+ h \d\d", page.said)
    assert "Admissions, CHU de Pli : Remis" in page.said


async def test_of_who_is_elsewhere_no_more_is_said_than_is_known(sqlite_core: House) -> None:
    house = sqlite_core
    conversation = await written_to_several(house, Member(name="Dr Zoé PETIT", address="zoe.petit@operator.example"))
    handle = await access.conversation(house.app, await house.mailbox("dominique"), conversation)
    message = (await windows.window(house.app, handle)).entries[-1].message
    assert message.status == "sent"
    assert {(recipient.name, recipient.state) for recipient in message.recipients} == {
        ("Dr Agathe MOREL", "delivered"),
        (house.admissions.name, "delivered"),
        ("Dr Zoé PETIT", "sent"),
    }


async def test_an_answering_machine_answers_nothing(sqlite_core: House) -> None:
    from server.drafts import MailFacts

    house = sqlite_core
    receipt = await house.letter("morel", "dominique")
    await house.answer("dominique", receipt.conversation, "Êtes-vous là ?")
    await house.answer("morel", receipt.conversation, "Je suis absente.", mail=MailFacts(automatic=True))
    handle = await access.conversation(house.app, await house.mailbox("dominique"), receipt.conversation)
    assert (await windows.window(house.app, handle)).entries[1].message.status == "delivered"
    await house.answer("morel", receipt.conversation, "Me voici.")
    assert (await windows.window(house.app, handle)).entries[1].message.status == "answered"


# ---- who reads it, and how soon they answer --------------------------------------------------------------------------


async def exchange(house: House, asked: str, answered: str) -> None:
    """Marcel asks Dr Morel something at an instant, and she answers at another."""
    receipt = await house.letter("morel", "marcel")
    question = await house.answer("marcel", receipt.conversation, "Une question")
    answer = await house.answer("morel", receipt.conversation, "La réponse")

    def date_them(tx: Tx) -> None:
        for message, at in ((question.message, asked), (answer.message, answered)):
            ms = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000)
            tx.run("UPDATE messages SET at = :at WHERE id = :m", at=ms, m=message)

    await house.app.db.write(date_them)


async def test_a_patient_knows_who_reads_and_how_soon_they_usually_answer(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    thread = f"/c/{receipt.conversation}"
    await exchange(house, "2026-11-06T09:00", "2026-11-09T09:00")  # from a Friday to a Monday
    await exchange(house, "2026-11-10T09:00", "2026-11-10T18:00")
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(thread)
        assert "Lu par Dr Agathe MOREL" in page.said
        assert "Répond d’habitude" not in page.said, "two answers make no habit"
        await exchange(house, "2026-11-12T09:00", "2026-11-18T09:00")
        assert "Répond d’habitude le jour ouvré suivant." in (await dominique.get(thread)).said
        said = Hours('{"mon": [["09:00", "17:00"]]}', 48)
        await house.app.db.write(hours_rows.say, house.morel.account_id, said, house.morel.account_id)
        assert "le jour ouvré suivant" not in (await dominique.get(thread)).said, "her own word stands instead"


@pytest.mark.parametrize(
    ("asked", "answered", "days"),
    [
        ("2026-11-06", "2026-11-06", 0),
        ("2026-11-06", "2026-11-09", 1),
        ("2026-11-07", "2026-11-09", 0),
        ("2026-11-02", "2026-11-09", 5),
        ("2020-01-01", "2026-11-09", 42),
        ("2026-11-09", "2026-11-06", 0),
    ],
)
def test_only_days_on_which_somebody_opens_are_counted(asked: str, answered: str, days: int) -> None:
    assert opening_days(date.fromisoformat(asked), date.fromisoformat(answered), WORKING) == days


def test_fewer_than_three_answers_make_no_habit() -> None:
    monday, friday = date(2026, 11, 9), date(2026, 11, 13)
    assert usual([(monday, friday)] * 2, WORKING) is None
    assert usual([(monday, friday)] * 2 + [(monday, monday)] * 3, WORKING) == 0


async def test_a_professional_sees_whose_conversation_it_is_and_who_reads_for_a_child(house: House) -> None:
    receipt = await house.letter("morel", "camille")
    async with visitor(house, "morel") as morel:
        page = await morel.get(f"/c/{receipt.conversation}")
    assert re.search(r"Camille \S+ née? le .*? sexe (féminin|masculin) INS enregistrée", page.said)
    assert "Lu par Camille" in page.said
    assert "et son représentant légal" in page.said


# ---- what is folded --------------------------------------------------------------------------------------------------


def test_a_signature_folds_and_what_only_looks_like_one_does_not() -> None:
    found = texts.folded("Bonjour,\nà lundi.\n\n-- \nDr Agathe Morel\nCHU de Pli")
    assert [str(block.text) for block in found.shown] == ["Bonjour,<br>à lundi."]
    assert str(found.signature) == "Dr Agathe Morel<br>CHU de Pli"
    long = "Un\n-- \n" + "\n".join(f"ligne {number}" for number in range(30))
    assert not texts.folded(long).signature
    assert "ligne 29" in "".join(str(block.text) for block in texts.folded(long).shown)
    assert not texts.folded("-- ").signature


def test_what_is_beyond_forty_lines_folds_and_nothing_of_it_is_lost() -> None:
    text = "\n\n".join(f"Paragraphe {number}" for number in range(60))
    found = texts.folded(text)
    assert found.rest
    whole = [str(block.text) for block in [*found.shown, *found.rest]]
    assert whole == [f"Paragraphe {number}" for number in range(60)]
    assert not texts.folded("\n".join(f"ligne {number}" for number in range(42))).rest, "a few lines more are shown"


def test_what_was_quoted_in_a_quotation_stands_within_it() -> None:
    (first, quote) = texts.folded("D’accord.\n\n> Un\n>> Deux\n>> Trois\n> Quatre").shown
    assert not first.quoted
    assert str(quote.text) == "Un<blockquote>Deux<br>Trois</blockquote>Quatre"
    deep = texts.folded("\n".join(">" * depth + " x" for depth in range(1, 60))).shown[0].text
    assert deep.count("<blockquote>") == deep.count("</blockquote>") == 4
