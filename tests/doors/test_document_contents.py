"""What a document says comes with it into the dossier, by whatever way it came, and is shown in plain words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from server import access
from server.dossier import contents, documents, filing, findings
from server.drafts import FileFacts
from server.formats.findings import MASKED, Coded, Problem, Quantity
from storage.ids import now_ms
from tests import letters
from tests.browser.visitor import visitor
from tests.doors.test_cda_entries import COUNTS, KINDS
from tests.doors.test_documents_chain import Lab
from tests.doors.test_viewer import letter, views
from tests.house import House
from tests.mail_house import ELSEWHERE, MailHouse, bring, open_mail_house
from tests.support import cda_documents as made

REPORT = {"results": made.GLUCOSE_TWICE, "measures": [made.WEIGHT], "problems": [made.DIABETES]}
FACTS = {"title": "Bilan", "document_label": "CR d’examens biologiques", "category": "biology", "unique_id": "1.2^1"}
KEPT = {"result": 2, "measure": 1, "problem": 1}


@pytest.fixture
async def mail(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


async def bring_file(mail: MailHouse, name: str, kind: str, data: bytes) -> None:
    said = await bring(mail, letters.with_attachments((name, kind, data), from_=ELSEWHERE, message_id="<1@a.example>"))
    assert said.startswith("250")


async def kept(mail: MailHouse) -> tuple[documents.DocumentView, Counter[str], contents.Contents]:
    """The one document of Dominique's dossier after filing, the findings of the dossier, and what stands in it."""
    lab = Lab(mail)
    if not await lab.filed():
        await lab.file(0)
    (document,) = await lab.filed()
    handle = await access.dossier(mail.app, await mail.mailbox("dominique"))
    held = await findings.of(mail.app, handle)
    assert {one.document for one in held} <= {document.id}
    return (
        document,
        Counter(one.finding.kind for one in held),
        await contents.of_document(mail.app, handle, document.id),
    )


async def test_a_document_that_was_attached_by_itself_brings_what_it_says(mail: MailHouse) -> None:
    data = made.cda(**REPORT, signed=True)  # type: ignore[arg-type]
    await bring_file(mail, "bilan.xml", "text/xml", data)
    document, counts, inside = await kept(mail)
    assert document.type in {"text/xml", "application/xml"}
    assert counts == KEPT
    assert [one.kind for one in inside.findings] == ["result", "result", "measure", "problem"]
    assert inside.findings[0].value == Quantity("7.2", "mmol/L")  # type: ignore[union-attr]


async def test_of_a_document_that_is_shown_as_its_pdf_the_data_are_kept_and_its_original(mail: MailHouse) -> None:
    data = made.cda(**REPORT, pdf=letters.pdf("Bilan"))  # type: ignore[arg-type]
    await bring_file(mail, "IHE_XDM.ZIP", "application/zip", made.xdm(data))
    document, counts, inside = await kept(mail)
    assert document.type == "application/pdf"
    assert counts == KEPT
    assert inside.original == data


async def test_a_document_of_one_file_is_kept_and_says_nothing_in_data(mail: MailHouse) -> None:
    await bring_file(mail, "IHE_XDM.ZIP", "application/zip", letters.xdm_zip())
    document, counts, inside = await kept(mail)
    assert (document.type, counts, inside.findings) == ("application/pdf", {}, ())


async def test_every_example_is_filed_with_all_that_it_says(core: House, samples: Path) -> None:
    handle = await access.dossier(core.app, await core.mailbox("dominique"))
    names = {}
    for path in sorted((samples / "cda").glob("*.xml")):
        data = path.read_bytes()
        facts = FileFacts(path.name, "text/xml", len(data), title=path.stem, unique_id=path.stem, category="reports")
        ready = await filing.of_octets(core.app, handle.keys, facts, data, source="api")
        by = handle.actor.account_id
        document = await core.app.db.write(filing.file, core.app.vault, handle.keys, ready, by, now_ms())
        names[document] = path.stem
    held = await findings.of(core.app, handle)
    counts = {name: Counter[str]() for name in COUNTS}
    for one in held:
        counts[names[one.document]][one.finding.kind] += 1
    assert {name: tuple(found[kind] for kind in KINDS) for name, found in counts.items()} == COUNTS


async def test_dominique_reads_what_the_laboratory_wrote_in_plain_words(house: House) -> None:
    low = replace(made.GLUCOSE, value=Quantity("2.1", "mmol/L"), interpretation="LL", same_as=None)
    low = replace(low, analyte=Coded("6299-2", made.LOINC, "Urée [Masse/Volume] Sérum"))
    data = made.cda(
        results=(*made.GLUCOSE_TWICE, low), immunisations=[made.TETANUS, replace(made.TETANUS, done=False)],
        treatments=[made.PARACETAMOL], allergies=[made.NO_ALLERGY],
        problems=[Problem(what=Coded(label=MASKED)), replace(made.DIABETES, at="2021-03")],
    )  # fmt: skip
    receipt = await letter(house, ("DOC0001.XML", "text/xml", data), **FACTS)
    async with visitor(house, "dominique") as dominique:
        (view,) = await views(dominique, f"/c/{receipt.conversation}")
        page = await dominique.get(view)
        assert "Glycémie 1,30 g/L" in page.said, "the words of the document come first"
        said = page.said.partition("Ce que dit ce document")[2]
        assert "Glucose à jeun 7,2 mmol/L soit 1,30 g/L au-dessus de la valeur de référence 3,89 – 6,00" in said
        assert "2,1 mmol/L très en dessous de la valeur de référence" in said
        assert said.count("Glucose à jeun") == 1, "one result in two units stands once"
        assert "Dose n° 2 Lot 4456672 deltoïde gauche 28 septembre 2009" in said
        assert "Non fait" in said
        assert "masqué par l’auteur" in said
        assert "Diabète sucré de type 2 actuel depuis mars 2021" in said
        assert "du 20 novembre 2026 au 25 novembre 2026" in said
        assert "aucune allergie connue" in said
        assert not re.search(r"<(?:script|style)\b[^>]*>[^<]*Glucose", page.text)
        assert (await dominique.press(view, "dossier.file")).status == 303
        box = await house.mailbox("dominique")
        (filed,) = await documents.list_documents(house.app, await access.dossier(house.app, box))
        assert "soit 1,30 g/L au-dessus" in (await dominique.get(f"/documents/{filed.id}/view")).said


async def test_a_document_with_a_pdf_of_itself_shows_the_pdf_then_its_text_then_its_data(house: House) -> None:
    data = made.cda("dominique", **REPORT, pdf=letters.pdf("Bilan"), language="en-GB")  # type: ignore[arg-type]
    receipt = await letter(house, ("DOC0001.XML", "text/xml", data), **FACTS)
    async with visitor(house, "dominique") as dominique:
        (view,) = await views(dominique, f"/c/{receipt.conversation}")
        page = await dominique.get(view)
        order = [page.text.find(part) for part in ("/page?n=1", "Fasting blood glucose", "Ce que dit ce document")]
        assert -1 < order[0] < order[1] < order[2]
