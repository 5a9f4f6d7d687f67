"""A document in its frame, by links alone: what it is, from whom, its pages, the one before and the one after."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pypdfium2

from server import access, posting
from server.drafts import Draft, File, FileFacts, Opening, Receipt
from tests import letters
from tests.browser.scenes import LABEL, REPORT, SUBJECT, letter_with_documents
from tests.browser.visitor import Visitor, visitor
from tests.house import House


def three_pages() -> bytes:
    whole = pypdfium2.PdfDocument.new()
    for text in ("Un comprime", "Deux comprimes", "Trois comprimes"):
        whole.import_pages(pypdfium2.PdfDocument(letters.pdf(text)))
    whole.save(out := io.BytesIO())
    return out.getvalue()


async def letter(house: House, *files: tuple[str, str, bytes], **facts: str) -> Receipt:
    """Dr Morel writes to Dominique, with files (name, type, octets)."""
    space = await access.patient(house.app, house.morel, house.ins("dominique"))
    kept = tuple(
        [
            File(FileFacts(name, kind, len(data), **facts), await house.app.blobs.put(space.keys, data))  # type: ignore[arg-type]
            for name, kind, data in files
        ]
    )
    draft = Draft(to=Opening(space, SUBJECT), text="Voici.", files=kept)
    return await posting.post(house.app, house.morel, draft)


async def views(somebody: Visitor, thread: str) -> list[str]:
    """The address of the viewer for each document of a thread."""
    return re.findall(r'href="([^"]+/view)"', (await somebody.get(thread)).text)


async def test_dominique_turns_the_pages_of_a_prescription_by_links_alone(house: House) -> None:
    receipt = await letter(house, ("ordonnance.pdf", "application/pdf", three_pages()))
    async with visitor(house, "dominique") as dominique:
        (view,) = await views(dominique, f"/c/{receipt.conversation}")
        first = await dominique.get(view)
        assert "Reçu de Dr Agathe MOREL" in first.said
        assert "page 1 sur 3 Page suivante" in first.said
        assert "Un comprime" in first.said, "its words stand beside the picture"
        (following,) = set(re.findall(r'href="([^"]+)" data-replace data-page-after', first.text))
        second = await dominique.get(following.replace("&amp;", "&"))
        assert "Page précédente page 2 sur 3 Page suivante" in second.said
        assert "Deux comprimes" in second.said
        last = await dominique.get(f"{view}?page=77&zoom=2")
        assert "page 3 sur 3" in last.said
        assert "data-page-after" not in last.text
        (source,) = re.findall(r'<img src="([^"]+)"', last.text)
        async with dominique.session.get(house.http + source.replace("&amp;", "&")) as picture:
            assert picture.headers["Content-Type"] == "image/webp"
            assert "sandbox" in picture.headers["Content-Security-Policy"]
            assert picture.headers["Cache-Control"] == "no-store"
            assert (await picture.read())[8:12] == b"WEBP"


async def test_the_way_back_leads_to_the_message_and_the_document_is_filed_from_here(house: House) -> None:
    receipt = await letter_with_documents(house)
    async with visitor(house, "dominique") as dominique:
        _, view = await views(dominique, f"/c/{receipt.conversation}")
        page = await dominique.get(view)
        (back,) = re.findall(r'href="([^"]+)" data-back', page.text)
        assert back == f"/c/{receipt.conversation}?at={receipt.message}#m-{receipt.message}"
        assert f'id="m-{receipt.message}"' in (await dominique.get(back)).text
        assert (await dominique.press(view, "dossier.file")).status == 303
        assert "Rangé dans votre dossier" in (await dominique.get(view)).said
        (own,) = await views(dominique, "/documents")
        filed = await dominique.get(own)
        assert f"{REPORT} Type {LABEL} Auteur Dr Jean DURAND" in filed.said
        assert "Tension artérielle 12,5 / 8 cm Hg" in filed.said
        assert 'href="/documents#d-' in filed.text


async def test_one_goes_from_document_to_document_and_passes_over_their_envelope(house: House) -> None:
    receipt = await letter(
        house,
        ("un.pdf", "application/pdf", letters.pdf("Un")),
        ("IHE_XDM.ZIP", "application/zip", b"PK\x03\x04"),
        ("deux.txt", "text/plain", b"Deux"),
    )
    await house.answer("morel", receipt.conversation, "Encore une chose.")
    async with visitor(house, "dominique") as dominique:
        first, last = await views(dominique, f"/c/{receipt.conversation}")
        page = await dominique.get(first)
        assert "Document suivant : deux.txt" in page.text
        assert "Document précédent" not in page.text
        (after,) = re.findall(r'href="([^"]+)" data-replace data-after', page.text)
        assert after == last
        page = await dominique.get(last)
        assert "Document précédent : un.pdf" in page.text
        assert "Document suivant" not in page.text


async def test_a_text_is_read_in_its_own_letters_and_runs_nothing(house: House) -> None:
    text = "Prenez deux comprimés,\nà midi. <script>window.__xss=1</script>"
    files = [
        (f"{charset}.txt", f"text/plain; charset={declared}", text.encode(charset))
        for charset, declared in (("latin-1", "iso-8859-1"), ("utf-8", "utf-8"), ("cp1252", "x-unknown"))
    ]
    receipt = await letter(house, *files)
    async with visitor(house, "dominique") as dominique:
        for view in await views(dominique, f"/c/{receipt.conversation}"):
            page = await dominique.get(view)
            assert "Prenez deux comprimés,\nà midi. &lt;script&gt;" in page.text


async def test_a_health_document_says_of_whom_it_is_by_whom_and_when(house: House, samples: Path) -> None:
    (sample, *_) = sorted((samples / "cda").glob("*.xml"))
    receipt = await letter(house, ("DOC0001.XML", "text/xml", sample.read_bytes()), document_label="Compte rendu")
    async with visitor(house, "dominique") as dominique:
        (view,) = await views(dominique, f"/c/{receipt.conversation}")
        page = await dominique.get(view)
    assert "Patient DOMINIQUE PAT-TROIS, naissance : 28 mars 1979" in page.said
    assert re.search(r"Auteur \S.+ Date \d+ \w+ \d{4}", page.said)
    assert "<table>" in page.text


async def test_a_pdf_inside_a_health_document_is_shown_page_by_page(house: House) -> None:
    carried = letters.cda(body=letters.pdf("Compte rendu"))
    receipt = await letter(house, ("DOC0001.XML", "text/xml", carried), document_label="Compte rendu")
    async with visitor(house, "dominique") as dominique:
        (view,) = await views(dominique, f"/c/{receipt.conversation}")
        page = await dominique.get(view)
        assert "page?n=1" in page.text
        assert "Compte rendu" in page.said
        async with dominique.session.get(house.http + view.replace("/view", "/thumbnail")) as small:
            assert small.headers["Content-Type"] == "image/webp"
        async with dominique.session.get(house.http + view.replace("/view", "/read")) as own:
            assert own.headers["Content-Type"] == "application/pdf"


async def test_what_cannot_be_shown_says_so_can_be_downloaded_and_keeps_its_icon(house: House) -> None:
    receipt = await letter(
        house, ("photo.png", "image/png", b"\x89PNG\r\n\x1a\n<script>"), ("a.pdf", "text/plain", b"%PDF")
    )
    async with visitor(house, "dominique") as dominique:
        view, _ = await views(dominique, f"/c/{receipt.conversation}")
        page = await dominique.get(view)
        assert page.status == 200
        assert "Ce document ne peut pas être affiché ici." in page.said
        assert "Télécharger" in page.said
        async with dominique.session.get(house.http + view.replace("/view", "/thumbnail")) as small:
            assert (small.status, small.headers["Content-Type"]) == (200, "image/gif")
            assert len(await small.read()) < 60


async def test_nobody_else_sees_a_document_a_page_of_it_or_its_small_picture(house: House) -> None:
    receipt = await letter_with_documents(house)
    async with visitor(house, "dominique") as dominique:
        _, view = await views(dominique, f"/c/{receipt.conversation}")
        assert (await dominique.press(view, "dossier.file")).status == 303
        (own,) = await views(dominique, "/documents")
        base = [view.removesuffix("/view"), own.removesuffix("/view")]
        paths = [place + what for place in base for what in ("/view", "/page?n=1", "/thumbnail")]
        assert [(await dominique.get(path)).status for path in paths] == [200] * 6  # drawn, and kept in memory
    for who in ("marcel", "admissions", "lab"):
        async with visitor(house, who) as other:
            assert {(await other.get(path)).status for path in paths} == {404}, who
    async with visitor(house) as stranger:
        assert {(await stranger.get(path)).status for path in paths} == {303}


async def test_dr_morel_sees_whose_document_it_is(house: House) -> None:
    receipt = await letter_with_documents(house)
    async with visitor(house, "morel") as morel:
        (view, *_) = await views(morel, f"/c/{receipt.conversation}")
        page = await morel.get(view)
    assert "Dominique PAT-TROIS née le 28 mars 1979 sexe féminin" in page.said
    assert "INS enregistrée à l’ouverture de l’espace, non revérifiée par Pli" in page.said
    assert "Ranger" not in page.said
