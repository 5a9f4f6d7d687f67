"""A copy of everything: complete for who asks, verifiable without a network, and brought back once."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from email import message_from_bytes
from email.policy import default
from random import Random

import pytest

from server import access, reading
from server.actions.acting import act
from server.copies import exporting, importing
from server.copies.volumes import SUMS, Volumes
from server.dossier import documents as shelf
from server.dossier import findings
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.formats.findings import Allergy, Coded
from server.handles import DossierHandle, MailboxHandle
from storage import delegations, exports
from tests.browser.scenes import REPORT, letter_with_documents
from tests.browser.visitor import visitor
from tests.house import House


async def dossier_of(house: House, name: str) -> tuple[MailboxHandle, DossierHandle]:
    box = await house.mailbox(name)
    return box, await access.dossier(house.app, box)


async def filled(house: House) -> None:
    """Dominique has a letter with documents, one of them filed, and an allergy she entered."""
    receipt = await letter_with_documents(house)
    box, handle = await dossier_of(house, "dominique")
    files = (await reading.since(house.app, box, 0)).entries[0].message.attachments
    report = next(item for item in files if item.title == REPORT)
    await act(house.app, box, receipt.message, "dossier.file", {"attachment": report.id}, "once")
    await house.answer("dominique", receipt.conversation, "Merci docteur")
    await house.app.db.write(findings.enter, handle, Allergy(agent=Coded(label="Pénicilline")))


async def settled(house: House, box: MailboxHandle, copy_id: str) -> exporting.Standing:
    """The copy once the worker has ended it: asked of the worker, which says when it has nothing left to do."""
    while True:
        idle = asyncio.Event()
        house.app.delivery.on_idle = idle.set
        house.app.delivery.wake()
        (found,) = [one for one in await exporting.standing(house.app, box) if one.id == copy_id]
        if found.state not in {"waiting", "running"}:
            return found
        await asyncio.wait_for(idle.wait(), 30)


async def volume_of(house: House, box: MailboxHandle) -> bytes:
    copy_id = await exporting.ask(house.app, box)
    made = await settled(house, box, copy_id)
    assert (made.state, made.missing) == ("ready", 0), made.said
    assert len(made.volumes) == 1
    _, data = await exporting.volume(house.app, box, copy_id, 1)
    return data


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sums_of(text: bytes) -> dict[str, str]:
    """By file name, as `sha256sum` writes it."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.decode().splitlines())}


def with_change(data: bytes, change: dict[str, bytes], *, sums: bool = False) -> bytes:
    """A volume in which somebody changed files, and (`sums`) the hashes too."""
    files = files_of(data) | change
    if sums:
        listed = {name: hashlib.sha256(of).hexdigest() for name, of in files.items() if name != SUMS}
        files[SUMS] = "".join(f"{digest}  {name}\n" for name, digest in listed.items()).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, of in files.items():
            archive.writestr(name, of)
    return buffer.getvalue()


async def test_the_copy_has_every_document_and_message_and_its_hashes_agree(house: House) -> None:
    await filled(house)
    box, _ = await dossier_of(house, "dominique")
    files = files_of(await volume_of(house, box))
    listed = sums_of(files.pop(SUMS))
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert [name for name in files if name.startswith("documents/")], "the document that was filed"
    mails = [message_from_bytes(data, policy=default) for name, data in files.items() if name.endswith(".eml")]
    entries = (await reading.since(house.app, box, 0)).entries
    assert len(mails) >= 2
    assert any("Merci docteur" in mail.get_body(("plain",)).get_content() for mail in mails)  # type: ignore[union-attr]
    assert {entry.message.subject for entry in entries} & {str(mail["Subject"]) for mail in mails}
    bundle = json.loads(files["fhir/bundle.json"])
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert {"DocumentReference", "AllergyIntolerance", "Patient"} <= kinds
    page = files["lisez-moi.html"].decode()
    assert REPORT in page
    assert "Pénicilline" in page
    assert files["lisez-moi.pdf"].startswith(b"%PDF-")


async def test_what_comes_back_is_filed_once_and_says_where_it_comes_from(house: House) -> None:
    await filled(house)
    box, handle = await dossier_of(house, "dominique")
    copy = await volume_of(house, box)
    before = await shelf.list_documents(house.app, handle)
    again = await settled(house, box, await importing.bring(house.app, box, copy))
    assert again.state == "ready", again.said
    after = await shelf.list_documents(house.app, handle)
    known = {view.id for view in before}
    assert {view.source for view in after if view.id not in known} == {"import"}
    assert all(view.title.startswith("Conversation") for view in after if view.id not in known)
    assert len(await findings.of(house.app, handle, ["allergy"])) == 1, "said once, there once"
    third = await settled(house, box, await importing.bring(house.app, box, copy))
    assert "0 éléments nouveaux" in third.said


async def test_a_copy_of_somebody_else_or_one_that_was_touched_brings_nothing(house: House) -> None:
    await filled(house)
    box, _ = await dossier_of(house, "dominique")
    copy = await volume_of(house, box)
    theirs, dossier = await dossier_of(house, "marcel")
    touched = with_change(copy, {"lisez-moi.html": b"autre chose"})
    forged = with_change(copy, {"pli/volume.json": b'{"version": 1}'}, sums=True)
    for brought, said in (
        (copy, "celle d’une autre personne"),
        (touched, "abîmée ou a été modifiée"),
        (forged, "n’est pas une copie"),
        (b"PK\x03\x04 rien de bon", ""),
    ):
        came = await settled(house, theirs, await importing.bring(house.app, theirs, brought))
        assert came.state == "failed"
        assert said in came.said
    assert await shelf.list_documents(house.app, dossier) == []
    with pytest.raises(Invalid):
        await importing.bring(house.app, theirs, b"%PDF-1.4")


async def test_a_helper_never_takes_a_copy_and_two_at_once_are_one(core: House) -> None:
    box = await core.mailbox("marcel")
    await core.app.db.write(
        delegations.grant, core.marcel.space_id, core.dominique.account_id, "helper", None, "operator",
        delegations.EVERYTHING,
    )  # fmt: skip
    helping = await access.mailbox(core.app, core.dominique, core.marcel.mailbox_id)
    with pytest.raises(NotAllowed):
        await exporting.ask(core.app, helping)
    with pytest.raises(NotAllowed):
        await exporting.standing(core.app, helping)
    copy_id = await exporting.ask(core.app, box)
    with pytest.raises(Conflict):
        await exporting.ask(core.app, box)
    await exporting.cancel(core.app, box, copy_id)
    with pytest.raises(Conflict):
        await exporting.cancel(core.app, box, copy_id)
    with pytest.raises(Refused):
        await exporting.volume(core.app, box, copy_id, 1)
    row = await core.app.db.read(exports.one, core.marcel.space_id, copy_id)
    assert row is not None
    assert row.state == "cancelled"


async def test_a_large_copy_is_several_volumes_each_whole_by_itself() -> None:
    kept: list[bytes] = []

    async def seal(data: bytes) -> str:
        kept.append(data)
        return str(len(kept))

    volumes = Volumes(seal, most=5_000)
    for number in range(5):
        await volumes.add(f"documents/{number}.bin", Random(number).randbytes(2_600))
    await volumes.add("documents/0.bin", b"same name")
    assert len(await volumes.close()) == len(kept) > 1
    names = []
    for data in kept:
        files = files_of(data)
        listed = sums_of(files.pop(SUMS))
        assert listed == {name: hashlib.sha256(of).hexdigest() for name, of in files.items()}
        names += list(files)
    assert len(names) == 6


async def test_on_the_page_one_asks_watches_and_fetches(house: House) -> None:
    await filled(house)
    box, _ = await dossier_of(house, "dominique")
    async with visitor(house, "dominique") as visit:
        assert "Préparer une copie" in (await visit.get("/export")).text
        assert (await visit.post("/export")).status == 303
        (made,) = await exporting.standing(house.app, box)
        await settled(house, box, made.id)
        page = await visit.get("/export")
        assert "Télécharger 1 sur 1" in page.text
        file = await visit.get(f"/export/{made.id}/1")
        assert file.status == 200
        assert file.headers["Content-Disposition"].startswith("attachment")
        assert (await visit.get(f"/export/{made.id}/2")).status == 404
    async with visitor(house, "marcel") as other:
        assert (await other.get(f"/export/{made.id}/1")).status == 404
