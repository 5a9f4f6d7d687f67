"""What Dominique adds to her dossier, by the form alone: files, photos, a scan; and what she deletes."""

from __future__ import annotations

import io
import re

import aiohttp
import pypdfium2
import pytest
from PIL import Image

from server.dossier import documents as shelf
from storage import findings
from tests import letters
from tests.browser.visitor import Answer, Visitor, visitor
from tests.doors.test_shelf import act, dossier, lines
from tests.house import House
from tests.storage.shelf import filed


def photo(kind: str = "JPEG", colour: str = "navy", size: tuple[int, int] = (300, 400), turned: int = 1) -> bytes:
    """A photo as a telephone makes it, with its EXIF orientation."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = turned
    Image.new("RGB", size, colour).save(out, kind, exif=exif)
    return out.getvalue()


async def add(visit: Visitor, *files: tuple[str, bytes], prefix: str = "", **fields: str) -> Answer:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    for name, data in files:
        form.add_field("files", io.BytesIO(data), filename=name, content_type="application/octet-stream")
    return await visit.post(f"{prefix}/documents/add", form)


async def mine(house: House, who: str = "dominique") -> dict[str, shelf.DocumentView]:
    return {item.title: item for item in await shelf.list_documents(house.app, await dossier(house, who))}


async def test_a_file_is_added_with_its_title_category_and_date_and_told_of(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/documents/add")
        assert "Formats : pdf, txt, rtf, jpg, png, tif. 5 Mo au plus par fichier" in page.said
        sheet = letters.pdf("Radio du genou")
        given = {"title": " Radio  du genou ", "category": "imaging", "day": "2024-02-03", "hidden": "1"}
        done = await add(dominique, ("IMG 001.pdf", sheet), **given)
        assert done.place == "/documents?done=added&count=1&sort=filed"
        shown = await dominique.get(done.place)
        assert "Votre document est ajouté." in shown.said
        item = (await mine(house))["Radio du genou"]
        assert (item.type_code, item.category, item.created, item.source) == (
            "DOCPAT04",
            "imaging",
            "2024-02-03",
            "patient",
        )
        assert item.marks == ("hidden",)
        again = await add(dominique, ("autre.pdf", sheet))
        assert (again.status, "Déjà dans le dossier : « autre »" in again.said) == (422, True)
    assert "Dominique PAT-TROIS a ajouté « Radio du genou » au dossier." in await lines(house)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("page.pdf", b"<html><script>1</script></html>", "ce genre de fichier ne peut pas être ajouté"),
        ("lettre.docx", b"PK\x03\x04" + b"\0" * 50, "ce genre de fichier ne peut pas être ajouté"),
        ("grand.txt", b"a" * (5 * 1_048_576 + 1), "ce fichier est trop lourd (6 Mo, 5 au plus)"),
    ],
    ids=["a page", "an archive", "too heavy"],
)
async def test_what_cannot_be_added_is_named_with_the_reason_and_the_rest_is_kept(
    house: House, name: str, data: bytes, why: str
) -> None:
    async with visitor(house, "dominique") as dominique:
        answer = await add(dominique, (name, data), ("notes.txt", "Été".encode()), title="", category="reports")
        assert answer.status == 200
        assert "1 document a bien été ajouté." in answer.said
        assert f"{name} : {why}" in answer.said
        assert list(await mine(house)) == ["notes"]
        alone = await add(dominique, (name, data), title="Mon titre")
        assert (alone.status, 'value="Mon titre"' in alone.text) == (422, True)
        assert "Choisissez au moins un fichier." in (await add(dominique)).said


async def test_photos_become_the_pages_of_one_document_upright_and_without_their_place(house: House) -> None:
    photos = (("1.jpg", photo(turned=6)), ("2.png", photo("PNG")), ("3.tif", photo("TIFF", "red")))
    async with visitor(house, "dominique") as dominique:
        done = await add(dominique, *photos, one="1", plain="1", title="Carnet", category="prevention")
        assert done.status == 303, done.said
        item = (await mine(house))["Carnet"]
        answer = await dominique.session.get(f"{house.http}/documents/{item.id}")
        with pypdfium2.PdfDocument(await answer.read()) as made:
            assert [page.get_size() for page in made] == [(793, 595), (595, 793), (595, 793)]
            red = made[2].render(scale=0.2).to_pil().convert("RGB").getpixel((50, 80))
        assert len(set(red)) == 1, "no colour is left"
        assert (await dominique.get(f"/documents/{item.id}/thumbnail")).headers["Content-Type"] == "image/webp"
        broken = await add(dominique, ("4.jpg", b"\xff\xd8\xff" + b"0" * 99), ("5.jpg", photo()), one="1")
        assert "4.jpg : cette photo ne peut pas être lue." in broken.said
        assert "1 document a bien été ajouté." in broken.said


async def test_a_tif_is_shown_as_a_picture_page_by_page(house: House) -> None:
    out = io.BytesIO()
    pages = [Image.new("RGB", (60, 90), colour) for colour in ("red", "blue")]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    async with visitor(house, "dominique") as dominique:
        await add(dominique, ("fax.tif", out.getvalue()))
        page = await dominique.get(f"/documents/{(await mine(house))['fax'].id}/view?page=2")
        assert "page 2 sur 2" in page.said
        assert "Page 2 de fax, en image" in page.text


async def test_her_mother_adds_for_camille_under_her_own_name(house: House) -> None:
    prefix = f"/for/{house.camille.mailbox_id}"
    async with visitor(house, "dominique") as mother:
        done = await add(mother, ("vaccins.txt", b"ROR"), prefix=prefix, title="Vaccins", category="prevention")
        page = await mother.get(done.place)
        assert "Vaccins" in page.said
        assert re.search(r"Ajouté le .* par Dominique PAT-TROIS", page.said)
    assert (await mine(house, "camille"))["Vaccins"].author.startswith("Camille")


async def test_what_she_added_she_renames_and_deletes_and_what_others_wrote_she_only_hides(house: House) -> None:
    handle = await dossier(house)
    theirs = await filed(house, handle, "Du médecin", author="morel")
    async with visitor(house, "dominique") as dominique:
        await add(dominique, ("notes.txt", b"Mes notes" * 40_000))
        own = (await mine(house))["notes"].id
        await dominique.post(f"/documents/{own}/manage", {"title": "Mes notes du genou"})
        page = await dominique.get(f"/documents/{own}/manage")
        assert "Anciens titres : « notes » (jusqu’au" in page.said
        refused = await dominique.post(f"/documents/{theirs}/manage", {"title": "Autre"})
        assert (refused.status, "Vous pouvez renommer les documents que vous avez ajoutés" in refused.said) == (
            403,
            True,
        )
        asked = await act(dominique, "delete", own, theirs)
        assert "Ce document sera effacé" in asked.said
        assert "Ce document vient d’un professionnel : il ne peut pas être supprimé, seulement masqué." in asked.said
        assert (await act(dominique, "delete", own, theirs, sure="1")).status == 403
        before = set(house.app.blobs.files())
        assert "Ce document est supprimé." in (await act(dominique, "delete", own, sure="1")).said
        assert len(before - set(house.app.blobs.files())) == 1, "its octets are gone"
        assert (await dominique.get(f"/documents/{own}")).status == 404
        assert set(await mine(house)) == {"Du médecin"}
        assert (await add(dominique, ("notes.txt", b"Mes notes" * 40_000))).status == 303, "it may be added again"
    assert await house.app.db.read(findings.of_document, handle.space_id, own) == []
