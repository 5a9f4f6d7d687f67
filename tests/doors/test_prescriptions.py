"""A prescription of the dossier: its lines, its way to a pharmacy of choice, and what was dispensed."""

from __future__ import annotations

import html
from dataclasses import replace

import pytest

from server import access, pharmacy, reading
from server.actions.acting import act
from server.dossier import filing, prescriptions
from server.dossier.prescriptions import Prescription
from server.drafts import FileFacts
from server.errors import NotAllowed, Refused
from server.formats.findings import Coded, Treatment
from server.handles import DossierHandle
from storage import documents, findings
from storage.database import Tx
from storage.ids import now_ms
from tests.browser.visitor import visitor
from tests.house import House

LINES = (
    Treatment(mood="INT", product=Coded(label="Paracétamol 1 g, comprimé"), dose="1 comprimé, 3 fois par jour",
              quantity="2 boîtes", line="1.2.3^ligne-1"),
    Treatment(mood="INT", product=Coded(label="Amoxicilline 1 g, comprimé"), dose="1 comprimé matin et soir"),
)  # fmt: skip


async def dossier_of(house: House, name: str) -> DossierHandle:
    return await access.dossier(house.app, await house.mailbox(name))


async def prescribed(house: House) -> str:
    """Dr Leroy's prescription is in Dominique's dossier; returns its document's id."""
    handle = await dossier_of(house, "dominique")
    facts = FileFacts(
        "ordonnance.txt", "text/plain", 20, "Ordonnance de sortie", "57833-6", "Ordonnance", "prescriptions",
        "Dr Paul LEROY", "Cabinet médical du Port", "2026-11-20", "1.2.250.1.999.7",
    )  # fmt: skip
    ready = await filing.of_octets(
        house.app, handle.keys, facts, b"Paracetamol ...", source="letter", author_id=house.leroy.account_id
    )

    def file(tx: Tx) -> str:
        by, at = house.leroy.account_id, now_ms()
        return filing.file(tx, house.app.vault, handle.keys, replace(ready, findings=LINES), by, at)

    return await house.app.db.write(file)


async def the_one(house: House) -> Prescription:
    (found,) = await prescriptions.of(house.app, await dossier_of(house, "dominique"))
    return found


async def test_a_prescription_goes_to_the_pharmacy_and_what_it_gave_is_seen_line_by_line(house: House) -> None:
    document = await prescribed(house)
    async with visitor(house, "dominique") as visit:
        listed = await visit.get("/prescriptions")
        assert "Ordonnance de sortie" in listed.text
        page = await visit.get(f"/prescriptions/{document}")
        assert "Paracétamol 1 g" in html.unescape(page.text)
        assert "<svg" in page.text, "the code to show"
        assert page.text.count("Pas encore délivré") == len(LINES)
        sent = await visit.post(
            f"/prescriptions/{document}/send",
            {"pharmacy": house.pharmacy.account_id, "note": "Je passe à 18 h", "client_key": "once"},
        )
        again = await visit.post(
            f"/prescriptions/{document}/send",
            {"pharmacy": house.pharmacy.account_id, "note": "Je passe à 18 h", "client_key": "once"},
        )
        assert sent.status == 303
        assert sent.place == again.place, "pressed twice, sent once"
    counter = await access.mailbox(house.app, house.rossi, house.pharmacy.mailbox_id)
    (entry,) = (await reading.since(house.app, counter, 0)).entries
    assert entry.message.card is not None
    assert entry.message.card["choices"][0]["action"] == "prescription.ready"
    assert "1 comprimé, 3 fois par jour" in entry.message.card["text"]
    assert [file.name for file in entry.message.attachments] == ["ordonnance.txt"]
    await act(house.app, counter, entry.message.id, "prescription.dispensed", {}, "given")
    given = await the_one(house)
    assert [len(line.dispensed) for line in given.lines] == [1, 1]
    assert {line.dispensed[0].by for line in given.lines} == {"Marc ROSSI"}
    thread = (await reading.since(house.app, await house.mailbox("dominique"), 0)).entries
    assert any("délivrée" in one.message.text for one in thread)


async def test_only_the_pharmacy_answers_its_card(house: House) -> None:
    document = await prescribed(house)
    box = await house.mailbox("dominique")
    receipt = await pharmacy.send(house.app, box, document, house.pharmacy.account_id, "", "once")
    with pytest.raises(NotAllowed):
        await act(house.app, box, receipt.message, "prescription.dispensed", {}, "mine")
    async with visitor(house, "dominique") as visit:
        assert "prescription.ready" not in (await visit.get(f"/c/{receipt.conversation}")).text
    async with visitor(house, "rossi") as counter:
        thread = await counter.get(f"/for/{house.pharmacy.mailbox_id}/c/{receipt.conversation}")
        assert "C’est prêt" in html.unescape(thread.text)


async def test_a_prescription_goes_to_no_one_but_a_pharmacy_and_not_when_it_is_obsolete(house: House) -> None:
    document = await prescribed(house)
    async with visitor(house, "dominique") as visit:
        for nobody in (house.admissions.account_id, house.rossi.account_id, "nobody"):
            answer = await visit.post(f"/prescriptions/{document}/send", {"pharmacy": nobody, "client_key": nobody})
            assert answer.status == 404
        await house.app.db.write(documents.outdate, house.dominique.space_id, document, "replaced", "")
        answer = await visit.post(
            f"/prescriptions/{document}/send", {"pharmacy": house.pharmacy.account_id, "client_key": "late"}
        )
        assert answer.status == 409
        assert "remplacée ou retirée" in answer.text
    async with visitor(house, "marcel") as other:
        assert (await other.get(f"/prescriptions/{document}")).status == 404


async def test_what_a_pharmacys_own_document_says_was_given_answers_the_line_it_names(core: House) -> None:
    await prescribed(core)
    handle = await dossier_of(core, "dominique")
    found = Treatment(
        mood="DISP", product=Coded(label="Doliprane 1 g"), quantity="2 boîtes", answers="1.2.3^ligne-1", at="2026-11-21"
    )
    await core.app.db.write(
        filing.add_finding, handle.keys, found, "professional", core.rossi.account_id, now_ms()
    )  # fmt: skip
    lines = (await the_one(core)).lines
    assert [[given.product for given in line.dispensed] for line in lines] == [["Doliprane 1 g"], []]
    assert len(await core.app.db.read(findings.of, core.dominique.space_id)) == len(LINES) + 1
    with pytest.raises(Refused):
        await prescriptions.one(core.app, handle, "nothing")
