"""A document corrected, withdrawn, sent twice: what a patient finds in the thread and in the dossier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import access, actions
from server.dossier import documents as shelf
from server.dossier.documents import DocumentView
from server.errors import Conflict, NotAllowed
from server.views import Entry, FileView
from tests import letters
from tests.doors.test_submission import submit
from tests.mail_house import ELSEWHERE, MailHouse, bring, open_mail_house

OTHER = ("Dr Autre", "autre@operator.example")


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


class Lab:
    """Sends reports to Dominique: each `send` is a letter with its own subject and Message-ID."""

    def __init__(self, house: MailHouse) -> None:
        self.house, self.sent = house, 0

    async def send(self, *archives: bytes, by: letters.Who = ELSEWHERE, reply_to: str = "") -> list[FileView]:
        """The documents of the letter, as Dominique sees them."""
        self.sent += 1
        files = [
            ("IHE_XDM.ZIP" if n == 0 else f"{n}_IHE_XDM.zip", "application/zip", data)
            for n, data in enumerate(archives)
        ]
        letter = letters.with_attachments(
            *files, from_=by, message_id=f"<{self.sent}@operator.example>", subject=f"Résultats {self.sent}",
            headers={"Reply-To": reply_to} if reply_to else {},
        )  # fmt: skip
        address = by if isinstance(by, str) else by[1]
        assert (await bring(self.house, letter, sender=address)).startswith("250")
        return documents((await self.letters())[-1])

    async def letters(self) -> list[Entry]:
        """In order, each as it is now."""
        found = await self.house.entries("dominique")
        return [entry for entry in found if entry.message.kind == "text"]

    async def lines(self) -> list[Entry]:
        return [entry for entry in await self.house.entries("dominique") if entry.message.kind == "line"]

    async def seen(self) -> list[list[str]]:
        """Of each letter, what became of its documents; "" when nothing did."""
        return [[file.change.state if file.change else "" for file in documents(one)] for one in await self.letters()]

    async def file(self, letter: int, document: int = 0) -> None:
        """Dominique files a document of a letter."""
        entry = (await self.letters())[letter]
        values = {"attachment": documents(entry)[document].id}
        box = await self.house.mailbox("dominique")
        await actions.acting.act(self.house.app, box, entry.message.id, "dossier.file", values, f"{letter}.{document}")

    async def filed(self) -> list[DocumentView]:
        handle = await access.dossier(self.house.app, await self.house.mailbox("dominique"))
        return await shelf.list_documents(self.house.app, handle)


@pytest.fixture
def lab(house: MailHouse) -> Lab:
    return Lab(house)


def documents(entry: Entry) -> list[FileView]:
    return [file for file in entry.message.attachments if not file.name.lower().endswith("ihe_xdm.zip")]


def report(version: int = 1, **facts: object) -> bytes:
    """A version of the laboratory's report, with an identifier of its own."""
    known: dict[str, object] = {"document_id": f"1.2.3.{version}", "version": version, "title": f"Bilan {version}"}
    return letters.xdm_zip(**{**known, **facts})  # type: ignore[arg-type]


# ---- corrected -------------------------------------------------------------------------------------------------------

CORRECTIONS = {
    "by its set and version": {},
    "by the document it replaces": {"replaces": "1.2.3.1", "set_id": "1.2.9"},
    "by both, and its metadata": {"replaces": "1.2.3.1", "action": "C"},
    "by its set, though it names an unknown one": {"replaces": "1.2.250.1.213.1.1.1.55.12345.13", "action": "C"},
}


@pytest.mark.parametrize("facts", CORRECTIONS.values(), ids=CORRECTIONS.keys())
async def test_a_corrected_report_takes_the_place_of_the_first_which_stays_readable(
    facts: dict[str, object], lab: Lab
) -> None:
    await lab.send(report())
    (new,) = await lab.send(report(2, **facts))
    assert await lab.seen() == [["replaced"], [""]]
    first, second = await lab.letters()
    change = documents(first)[0].change
    assert change is not None
    assert (change.by, change.message, change.conversation) == (ELSEWHERE[0], second.message.id, second.conversation)
    assert change.at == second.message.at
    assert new.change is None
    (line,) = await lab.lines()
    assert line.conversation == first.conversation, "told where the older one stands"
    assert line.message.text.startswith("« Bilan 1 » du 20/11/2026 : remplacé par son auteur.")
    assert (line.message.author.name, line.message.at) == (ELSEWHERE[0], second.message.at)


async def test_the_second_microbiology_report_of_the_ans_replaces_the_first(lab: Lab, samples: Path) -> None:
    first = (samples / "cda" / "BIO-CR-BIO_2024.01_Microbiologie_V1.xml").read_bytes()
    await lab.send(letters.xdm_zip(documents=[first]))
    await lab.send((samples / "xdm" / "BIO-CR-BIO_2024.01_Microbiologie_V2_IHE_XDM.ZIP").read_bytes())
    assert await lab.seen() == [["replaced"], [""]]


async def test_what_was_filed_is_marked_and_the_new_version_is_offered_not_filed(lab: Lab) -> None:
    await lab.send(report())
    await lab.file(0)
    await lab.send(report(2))
    (kept,) = await lab.filed()
    second = (await lab.letters())[1]
    assert kept.title == "Bilan 1"
    assert kept.change is not None
    assert (kept.change.state, kept.change.message) == ("replaced", second.message.id)
    assert not documents(second)[0].filed
    await lab.file(1)
    assert {(one.title, one.change is not None) for one in await lab.filed()} == {("Bilan 1", True), ("Bilan 2", False)}
    handle = await access.dossier(lab.house.app, await lab.house.mailbox("dominique"))
    _, data = await shelf.open_document(lab.house.app, handle, kept.id)
    assert data == letters.pdf("Bilan 1"), "obsolete, and readable"


async def test_a_replaced_report_is_not_filed_any_more(lab: Lab) -> None:
    await lab.send(report())
    await lab.send(report(2))
    with pytest.raises(NotAllowed) as caught:
        await lab.file(0)
    assert caught.value.code == "replaced_document"
    assert await lab.filed() == []


async def test_three_versions_in_any_order_leave_the_newest(lab: Lab) -> None:
    for version in (2, 3, 1):
        await lab.send(report(version))
    assert await lab.seen() == [["replaced"], [""], ["replaced"]]
    third = (await lab.letters())[1]
    assert documents((await lab.letters())[2])[0].change.message == third.message.id  # type: ignore[union-attr]
    assert len(await lab.lines()) == 1, "what came late was never thought to be the newest"


async def test_an_older_version_that_comes_late_is_known_by_the_one_that_replaces_it(lab: Lab) -> None:
    await lab.send(report(2, set_id="1.2.9", replaces="1.2.3.1"))
    await lab.send(report())
    assert await lab.seen() == [[""], ["replaced"]]


async def test_both_versions_in_one_letter_leave_the_newest(lab: Lab) -> None:
    await lab.send(report(2), report(1))
    await lab.send(report(4, set_id="1.2.9"), report(5, set_id="1.2.9"))
    assert await lab.seen() == [["", "replaced"], ["replaced", ""]]
    assert await lab.lines() == []


STRANGERS = {
    "another sender, the same names": (OTHER, {}),
    "the same sender, another author and organisation": (
        ELSEWHERE, {"author": ("Jean", "AUTRE", "899999999999"), "custodian": "1999999999"}
    ),
    "nobody who is known": (ELSEWHERE, {"author": ("Jean", "AUTRE", ""), "custodian": ""}),
}  # fmt: skip


@pytest.mark.parametrize(("by", "facts"), STRANGERS.values(), ids=STRANGERS.keys())
@pytest.mark.parametrize("action", ["", "C", "D"])
async def test_nobody_else_replaces_or_withdraws_a_report(
    by: letters.Who, facts: dict[str, object], action: str, lab: Lab
) -> None:
    custodian = str(facts.get("custodian", "1120459876")).encode()
    await lab.send(report())
    document = letters.cda(
        document_id="1.2.3.2", version=2, replaces="1.2.3.1", title="Faux",
        **{key: value for key, value in facts.items() if key != "custodian"},  # type: ignore[arg-type]
    ).replace(b'extension="1120459876"', b'extension="' + custodian + b'"')  # fmt: skip
    await lab.send(letters.xdm_zip(documents=[document], action=action), by=by)
    assert (await lab.seen())[0] == [""]
    assert await lab.lines() == []
    await lab.file(0)


async def test_a_stranger_who_has_answers_sent_to_the_author_is_a_stranger(lab: Lab) -> None:
    """Reply-To, which makes the author take part, is anybody's to write."""
    await lab.send(report())
    await lab.send(report(2), by=OTHER, reply_to=ELSEWHERE[1])
    assert await lab.seen() == [[""], [""]]


async def test_an_author_who_has_answers_sent_to_a_secretary_is_still_the_author(lab: Lab) -> None:
    await lab.send(report())
    await lab.send(report(2), reply_to=OTHER[1])
    assert await lab.seen() == [["replaced"], [""]]


async def test_a_team_hosted_here_corrects_what_its_doctor_sent_and_another_does_not(house: MailHouse) -> None:
    """Dr Morel and the admissions are of one hospital."""
    for number, (version, by) in enumerate([(1, "morel"), (2, "admissions"), (3, "leroy")]):
        address = house.address(by)
        letter = letters.with_attachments(
            ("IHE_XDM.ZIP", "application/zip", report(version)), from_=address, message_id=f"<{number}@pli.example>"
        )
        assert (await submit(house, letter, address=address)).startswith("250")
    assert await Lab(house).seen() == [["replaced"], [""], [""]]


async def test_a_colleague_of_the_same_organisation_corrects_what_dr_morel_signed(lab: Lab) -> None:
    """The author differs, the organisation is the same, and so is the mailbox it comes from."""
    await lab.send(report())
    await lab.send(report(2, author=("Jeanne", "COLLÈGUE", "801111111111")))
    assert await lab.seen() == [["replaced"], [""]]


# ---- withdrawn -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [{}, {"document_id": "1.2.3.2", "version": 2, "replaces": "1.2.3.1"}, {"document_id": "1.2.3.2", "version": 2}],
    ids=["itself", "by the document it replaces", "by its set"],
)
async def test_a_withdrawn_report_stays_where_it_came_marked_and_is_not_filed(
    facts: dict[str, object], lab: Lab
) -> None:
    await lab.send(report())
    assert await lab.send(report(**{"version": 1, "action": "D", **facts})) == []  # type: ignore[arg-type]
    first, second = await lab.letters()
    (file,) = documents(first)
    assert file.change is not None
    assert (file.change.state, file.change.by, file.change.at) == ("deleted", ELSEWHERE[0], second.message.at)
    (archive,) = second.message.attachments
    assert (archive.damaged, archive.note) == ("", "L’expéditeur demande le retrait d’un document qu’il a envoyé.")
    (line,) = await lab.lines()
    assert "retiré par son auteur" in line.message.text
    with pytest.raises(NotAllowed) as caught:
        await lab.file(0)
    assert caught.value.code == "deleted_document"


async def test_what_was_filed_and_then_withdrawn_is_said_to_be(lab: Lab) -> None:
    await lab.send(report())
    await lab.file(0)
    await lab.send(report(action="D"))
    (kept,) = await lab.filed()
    assert kept.change is not None
    assert kept.change.state == "deleted"


async def test_only_the_last_version_can_be_withdrawn(lab: Lab) -> None:
    await lab.send(report())
    await lab.send(report(2))
    await lab.send(report(action="D"))  # the first, which was replaced
    assert await lab.seen() == [["replaced"], [""], []]
    await lab.send(report(2, action="D"))
    assert await lab.seen() == [["replaced"], ["deleted"], [], []]


async def test_a_withdrawal_beside_a_new_document_leaves_that_one(lab: Lab) -> None:
    await lab.send(report())
    await lab.send(report(action="D"), report(7, set_id="1.2.9"))
    assert await lab.seen() == [["deleted"], [""]]


# ---- twice -----------------------------------------------------------------------------------------------------------


async def test_the_same_report_twice_is_one_document_and_the_second_says_so(lab: Lab) -> None:
    await lab.send(report())
    await lab.send(report(), by=OTHER)
    assert await lab.seen() == [[""], ["same"]]
    first, second = await lab.letters()
    change = documents(second)[0].change
    assert change is not None
    assert (change.by, change.message) == (ELSEWHERE[0], first.message.id)
    await lab.file(0)
    assert [documents(one)[0].filed for one in await lab.letters()] == [True, True]
    with pytest.raises(Conflict):
        await lab.file(1)
    assert len(await lab.filed()) == 1


async def test_the_same_report_twice_in_one_letter_is_one_document(lab: Lab) -> None:
    await lab.send(report(), report())
    assert await lab.seen() == [["", "same"]]


async def test_every_copy_of_a_replaced_report_is_marked_whoever_sent_it(lab: Lab) -> None:
    await lab.send(report(), by=OTHER)
    await lab.send(report())
    await lab.send(report(2))
    assert await lab.seen() == [["replaced"], ["replaced"], [""]]
    await lab.send(report())
    assert (await lab.seen())[3] == ["replaced"], "and one that comes again"


async def test_another_content_under_a_known_number_is_another_document(lab: Lab) -> None:
    await lab.send(report())
    await lab.send(report(title="Autre"), by=OTHER)
    assert await lab.seen() == [[""], [""]]
    await lab.file(1)
    await lab.file(0)
    assert {one.title for one in await lab.filed()} == {"Bilan 1", "Autre"}


async def test_two_documents_of_one_letter_are_two(lab: Lab) -> None:
    both = [letters.cda(document_id=f"1.2.{n}", set_id=f"1.9.{n}", title=f"Bilan {n}") for n in (1, 2)]
    await lab.send(letters.xdm_zip(documents=both))
    assert await lab.seen() == [["", ""]]
    await lab.file(0, 0)
    await lab.file(0, 1)
    assert len(await lab.filed()) == 2


# ---- both engines, and what nobody may do ----------------------------------------------------------------------------


async def test_the_chain_is_the_same_on_both_engines(tmp_path: Path, database_url: str) -> None:
    async with open_mail_house(tmp_path, database_url) as house:
        lab = Lab(house)
        await lab.send(report())
        await lab.file(0)
        await lab.send(report())
        await lab.send(report(2))
        await lab.send(report(2, action="D"))
        assert await lab.seen() == [["replaced"], ["replaced"], ["deleted"], []]
        assert [one.change is not None for one in await lab.filed()] == [True]


async def test_two_versions_that_come_at_the_same_moment_leave_one(tmp_path: Path, database_url: str) -> None:
    """Each would find none but its own, if they were not put in order."""
    async with open_mail_house(tmp_path, database_url) as house:
        lab = Lab(house)
        for number in range(5):
            facts = {"set_id": f"1.2.9.{number}"}
            await asyncio.gather(
                *(lab.send(report(version, document_id=f"1.{number}.{version}", **facts)) for version in (1, 2, 3))
            )
        assert sorted(state for (state,) in await lab.seen()) == [""] * 5 + ["replaced"] * 10


async def test_a_very_confidential_report_is_read_and_not_filed(lab: Lab) -> None:
    (file,) = await lab.send(report(confidentiality=("V",)))
    assert file.restricted
    with pytest.raises(NotAllowed) as caught:
        await lab.file(0)
    assert caught.value.code == "restricted_document"


async def test_more_documents_than_a_message_holds_are_refused_with_the_number(house: MailHouse) -> None:
    many = [letters.cda(document_id=f"1.2.{n}", set_id=f"1.9.{n}", body=b"") for n in range(49)]
    for count, said in ((49, "552 5.3.4 Trop de documents : 49 au plus"), (48, "250")):
        archive = ("IHE_XDM.ZIP", "application/zip", letters.xdm_zip(documents=many[:count]))
        letter = letters.with_attachments(archive, from_=ELSEWHERE, message_id=f"<{count}@operator.example>")
        assert (await bring(house, letter)).startswith(said)
    (entry,) = await house.entries("dominique")
    assert len(documents(entry)) == 48
