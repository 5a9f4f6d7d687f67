"""Dominique's shelf: what she finds, folds, hides, puts in order and deletes, by forms alone."""

from __future__ import annotations

import html
import re

import aiohttp

from server import access, reading
from server.handles import DossierHandle
from tests.browser.scenes import letter_with_documents
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House
from tests.storage.shelf import filed


async def dossier(house: House, who: str = "dominique") -> DossierHandle:
    return await access.dossier(house.app, await house.mailbox(who))


async def lines(house: House, who: str = "dominique") -> list[str]:
    page = await reading.since(house.app, await house.mailbox(who), 0)
    return [entry.message.text for entry in page.entries if entry.message.kind == "line"]


def shown(page: Answer) -> list[str]:
    """The titles of the lines, in their order."""
    return [html.unescape(title) for title in re.findall(r'<h3 dir="auto">(.*?)</h3>', page.text)]


async def act(visit: Visitor, what: str, *ids: str, prefix: str = "", **more: str) -> Answer:
    """Send the form of the shelf with these documents ticked; the page one is led to."""
    fields = {**{f"d.{one}": "1" for one in ids}, "act": what, **more}
    form = aiohttp.FormData(fields, default_to_multipart=True)
    answer = await visit.post(f"{prefix}/documents/act", form)
    return await visit.get(answer.place) if answer.status == 303 else answer


async def test_titles_say_what_it_is_from_whom_and_when_and_the_producer_s_own_stands_below(house: House) -> None:
    handle = await dossier(house)
    await filed(
        house, handle, "CR-BIO-001", category="biology", organisation="Laboratoire de Pli", created="2024-03-01",
        document_type="11502-2",
    )  # fmt: skip
    await filed(
        house, handle, "PRESC", category="prescriptions", created="2025-05-12", document_type="57833-6",
        author_name="Dr Agathe MOREL",
    )  # fmt: skip
    await filed(house, handle, "Radio de 2019", created="2019-01-01", category="imaging")
    tests = "Analyses du 1er mars 2024, Laboratoire de Pli"
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/documents")
        assert shown(page) == ["Ordonnance du Dr Morel, 12 mai 2025", tests, "Radio de 2019"]
        assert f"{tests} CR-BIO-001" in page.said
        assert "Ordonnances et soins 1" in page.said
        assert "Rien pour l’instant dans : Synthèses, Comptes rendus, Prévention" in page.said
        assert shown(await dominique.get("/documents?sort=oldest"))[0] == "Radio de 2019"
        assert shown(await dominique.get("/documents?category=biology")) == [tests]
        assert shown(await dominique.get("/documents?year=2019")) == ["Radio de 2019"]
        (mark,) = re.findall(r'<option value="([^"]+)">Laboratoire de Pli', page.text)
        assert shown(await dominique.get(f"/documents?who={mark}")) == [tests]
        for words in ("analyses mars", "cr-bio", "laboratoire", "test results"):
            assert shown(await dominique.get("/documents", params={"q": words})) == [tests]
        nothing = await dominique.get("/documents?q=introuvable")
        assert "Aucun document ne correspond" in nothing.said
        assert "Le texte à l’intérieur des documents n’est pas lu" in nothing.said


async def test_a_thousand_documents_open_page_by_page_and_what_one_did_leads_back_there(house: House) -> None:
    handle = await dossier(house)
    ids = [
        await filed(house, handle, f"Document {number:03}", created=f"2020-01-{number % 28 + 1:02}")
        for number in range(120)
    ]
    async with visitor(house, "dominique") as dominique:
        first = await dominique.get("/documents?sort=title")
        assert len(shown(first)) == 50
        assert "Page 1 sur 3" in first.said
        (after,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
        second = await dominique.get(html.unescape(after))
        assert shown(second)[0] == "Document 050"
        (query,) = re.findall(r'name="query" value="([^"]*)"', second.text)
        done = await act(dominique, "pin", ids[60], query=html.unescape(query))
        assert "Ce document est épinglé. Annuler" in done.said
        assert shown(done)[0] == "Document 050"
        assert shown(await dominique.get("/documents?show=pinned")) == ["Document 060"]
        too_many = await act(dominique, "archive", *ids[:51])
        assert "Choisissez 50 documents au plus." in too_many.said
        none = await act(dominique, "archive")
        assert "Choisissez au moins un document." in none.said
        assert "sur 3" in (await dominique.get("/documents?page=99")).said


async def test_several_are_hidden_at_once_told_of_once_and_shown_again_by_undo(house: House) -> None:
    handle = await dossier(house)
    one, two = [await filed(house, handle, title) for title in ("Genou", "Épaule")]
    async with visitor(house, "dominique") as dominique:
        done = await act(dominique, "hide", one, two)
        assert "2 documents sont masqués aux professionnels. Annuler" in done.said
        assert set(shown(await dominique.get("/documents?show=hidden"))) == {"Genou", "Épaule"}
        (form,) = re.findall(r'<div class="done".*?</form>', done.text, re.DOTALL)
        undone = await act(dominique, "show", *re.findall(r'name="d\.([^"]+)"', form))
        assert "voient de nouveau 2 documents" in undone.said
        assert "C’était déjà ainsi" in (await act(dominique, "show", one)).said
        page = await dominique.get(f"/documents/{one}/manage")
        assert re.search(r"Montré aux professionnels, .*, Dominique PAT-TROIS Masqué aux professionnels", page.said)
    told = [line for line in await lines(house) if "PAT-TROIS" in line]
    assert told == [
        "Dominique PAT-TROIS a masqué 2 documents aux professionnels : « Genou », « Épaule ».",
        "Dominique PAT-TROIS montre de nouveau 2 documents aux professionnels autorisés : « Genou », « Épaule ».",
    ]


async def test_archived_ones_leave_the_list_folders_hold_and_what_came_twice_is_one_line(house: House) -> None:
    handle = await dossier(house)
    old, twin, other = (
        await filed(house, handle, "Ancien"),
        await filed(house, handle, "Bilan", data=b"le meme", unique_id="1.2"),
        await filed(house, handle, "Bilan bis", data=b"le meme", unique_id="3.4"),
    )
    async with visitor(house, "dominique") as dominique:
        await act(dominique, "archive", old)
        page = await dominique.get("/documents")
        assert shown(page) in (["Bilan"], ["Bilan bis"])
        assert "Reçu 2 fois" in page.said
        await act(dominique, "hide", other)
        assert len(shown(await dominique.get("/documents"))) == 2, "what not the same people see is not one line"
        assert shown(await dominique.get("/documents?show=archived")) == ["Ancien"]
        put = await act(dominique, "put", old, twin, name="Mon genou")
        assert "C’est rangé." in put.said
        (folder,) = set(re.findall(r"/documents\?folder=([\w-]+)", put.text))
        assert set(shown(await dominique.get(f"/documents?folder={folder}"))) == {"Ancien", "Bilan"}
        await act(dominique, "take_out", old, folder=folder)
        renamed = await dominique.post("/documents/folders", {"act": "rename", "folder": folder, "name": "Genou"})
        assert "Genou 1" in (await dominique.get(renamed.place)).said
        await dominique.post("/documents/folders", {"act": "remove", "folder": folder})
        assert "Genou 1" not in (await dominique.get("/documents")).said


async def test_what_came_since_the_last_visit_is_new_until_the_next(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        first = await letter_with_documents(house)
        assert (await dominique.press(f"/c/{first.conversation}", "dossier.file")).status == 303
        assert "Nouveau" not in (await dominique.get("/documents")).said.replace("Un nouveau", ""), "a first visit"
        await house.app.db.write(lambda tx: tx.run("UPDATE visits SET at = at - 86400000"))
        await filed(house, await dossier(house), "Arrivé hier", author="lab")
        for _ in ("first", "again"):
            page = await dominique.get("/documents")
            assert "Nouveau depuis votre dernière visite : 1 document" in page.said
        assert shown(await dominique.get("/documents?show=new")) == ["Arrivé hier"]
        await house.app.db.write(lambda tx: tx.run("UPDATE visits SET at = at - 1"))
        offer = "se rangent toujours tout seuls ici"
        assert offer in page.said, "after a first filing by hand"
        done = await dominique.post("/documents/by-itself", {"on": "0"})
        assert "vous rangez vous-même" in (await dominique.get(done.place)).said
        assert offer not in (await dominique.get("/documents")).said, "offered once"


async def test_documents_chosen_on_the_shelf_go_with_the_letter_one_then_writes(house: House) -> None:
    await house.letter("morel", "dominique")
    sent = await filed(house, await dossier(house), "Radio du genou")
    async with visitor(house, "dominique") as dominique:
        whom = await act(dominique, "send", sent)
        assert "1 document partira avec votre message." in whom.said
        (sheet,) = re.findall(r'href="(/c/[^"]+/new[^"]*documents=[^"]*)"', whom.text)
        shown = await dominique.get(html.unescape(sheet))
        assert "Radio du genou" in shown.said
        assert f'name="document.{sent}"' in shown.text
