"""« Ranger tout seul »: what professionals send is in Dominique's dossier at once, when she chose so."""

from __future__ import annotations

import re

import pytest

from server import access, reading
from server.dossier import by_itself, filing
from server.dossier import documents as shelf
from server.dossier.documents import DocumentView
from tests import letters
from tests.browser.scenes import letter_with_documents
from tests.browser.visitor import visitor
from tests.certificates import Certificates
from tests.doors.test_submission import submit
from tests.house import House
from tests.letters import MOREL
from tests.mail_house import MailHouse


async def choose(house: House, who: str = "dominique", *, on: bool = True) -> None:
    await by_itself.settle(house.app, await house.mailbox(who), on=on)


async def documents(house: House, who: str = "dominique") -> list[DocumentView]:
    return await shelf.list_documents(house.app, await access.dossier(house.app, await house.mailbox(who)))


async def said(house: House, who: str = "dominique") -> list[str]:
    page = await reading.since(house.app, await house.mailbox(who), 0)
    return [entry.message.text for entry in page.entries if entry.message.kind == "line"]


async def mail(house: House, number: int, *more: letters.Attached, **facts: object) -> None:
    """Dr Morel sends a report from her mail client."""
    by_mail = MailHouse(house.app, house.people)
    by_mail.certificates = Certificates.at(house.app.settings.data_dir / "certificates")
    archive = letters.xdm_zip(**facts)  # type: ignore[arg-type]
    letter = letters.with_attachments(
        ("IHE_XDM.ZIP", "application/zip", archive), *more, from_=MOREL, message_id=f"<{number}@pli.example>"
    )
    assert (await submit(by_mail, letter)).startswith("250")


async def test_a_letter_s_documents_are_filed_with_it_and_a_line_says_so(house: House) -> None:
    await letter_with_documents(house)
    assert await documents(house) == [], "until she chooses, filing is her own gesture"
    await choose(house)
    receipt = await letter_with_documents(house)
    filed = {item.title: item for item in await documents(house)}
    assert filed.keys() == {"Consultation préanesthésique", "consignes.pdf"}
    assert {item.conversation for item in filed.values()} == {receipt.conversation}
    assert filed["consignes.pdf"].author == "Dr Agathe MOREL"
    assert any("2 documents sont rangés dans votre dossier" in line for line in await said(house))
    files = (await reading.since(house.app, await house.mailbox("dominique"), 0)).entries[-2].message.attachments
    assert all(file.filed for file in files)
    await choose(house, on=False)
    await letter_with_documents(house)
    assert len(await documents(house)) == 2


async def test_a_newer_version_takes_the_place_of_the_older_and_what_may_not_be_filed_stays_in_its_letter(
    house: House,
) -> None:
    await choose(house)
    copy = ("copie.pdf", "application/pdf", letters.pdf("La copie du bilan"))
    await mail(house, 1, copy, title="Bilan du matin")
    await mail(house, 2, title="Bilan du matin")
    (only,) = await documents(house)
    assert (only.title, only.change) == ("Bilan du matin", None), "nor the same again, nor its copy"
    await mail(house, 3, title="Bilan du soir", document_id="1.2.3.2", version=2)
    states = {item.title: item.change.state if item.change else "" for item in await documents(house)}
    assert states == {"Bilan du matin": "replaced", "Bilan du soir": ""}
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/documents")
        assert len(re.findall(r'<li class="paper', page.text)) == 1
        assert re.search(
            r"1 ancienne version Analyses du .* Bilan du matin Remplacé le .* par Dr Agathe MOREL", page.said
        )
        assert len(re.findall(r'<li class="paper', (await dominique.get("/documents?show=obsolete")).text)) == 1
    await mail(house, 4, title="Confidentiel", document_id="1.2.3.9", set_id="9.9", confidentiality="R")
    assert "Confidentiel" not in {item.title for item in await documents(house)}
    await mail(house, 5, title="Bilan du soir", document_id="1.2.3.2", version=2, action="D")
    assert len(await documents(house)) == 2


async def test_a_letter_arrives_all_the_same_when_its_files_cannot_be_read_apart(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await choose(house)

    async def breaks(*_args: object) -> None:
        raise OSError("no worker can be had")

    monkeypatch.setattr(filing, "unpacked", breaks)
    receipt = await letter_with_documents(house)
    page = await reading.since(house.app, await house.mailbox("dominique"), 0)
    assert receipt.message in {entry.message.id for entry in page.entries}
    assert await documents(house) == []
