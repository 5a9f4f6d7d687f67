"""What documents say, put in a dossier without a letter: the health of somebody of the cast."""

from __future__ import annotations

from msgspec.structs import replace

from server import access
from server.dossier import filing, findings, profile, results
from server.dossier.results import Analyte
from server.dossier.sources import Sources
from server.drafts import FileFacts
from server.formats.findings import Quantity
from server.handles import DossierHandle
from storage.ids import now_ms
from tests.house import House
from tests.support import cda_documents as made


async def handle_of(house: House, who: str, whose: str = "") -> DossierHandle:
    """The dossier of `whose`, to `who` (their own when none is named)."""
    mailbox = house.people[whose].mailbox_id if whose else ""
    box = await access.mailbox(house.app, house.people[who], mailbox, ("dossier",))
    return await access.dossier(house.app, box)


async def told(
    house: House, patient: str, data: bytes, title: str = "Bilan", date: str = "2026-11-20", **facts: object
) -> str:
    """A CDA of the laboratory, filed in that patient's dossier; returns its id."""
    handle = await handle_of(house, patient)
    known: dict[str, object] = {
        "title": title, "document_type": "11502-2", "category": "biology", "author": "Laboratoire de Pli",
        "created": date, "unique_id": f"1.2.{title}.{date}",
    }  # fmt: skip
    ready = FileFacts("bilan.xml", "text/xml", len(data), **(known | facts))  # type: ignore[arg-type]
    lab = house.lab.account_id
    filed = await filing.of_octets(house.app, handle.keys, ready, data, source="api", author_id=lab)
    return await house.app.db.write(filing.file, house.app.vault, handle.keys, filed, lab, now_ms())


async def analytes(house: House, who: str) -> list[Analyte]:
    """Their results, by analyte."""
    handle = await handle_of(house, who)
    return await house.app.db.read(
        lambda tx: results.analytes(
            house.app.vault, Sources(house.app, tx, handle), findings.held(tx, handle, ("result",))
        )
    )


async def lived(house: House) -> dict[str, str]:
    """Dominique's results over two years, one in two units; what she says of herself, once corrected. Returns what
    names them in addresses.
    """
    before, box = "2024-11-20", await house.mailbox("dominique")
    older = replace(made.GLUCOSE, at=before, value=Quantity("5.9", "mmol/L"))
    await told(house, "dominique", made.cda(results=[older], document_id="1.5.1"), "Bilan de 2024", before)
    everything = made.cda(
        results=made.GLUCOSE_TWICE, immunisations=[made.TETANUS], allergies=[made.PENICILLIN],
        problems=[made.DIABETES], treatments=[made.PARACETAMOL], document_id="1.5.2",
    )  # fmt: skip
    await told(house, "dominique", everything, "Bilan de 2026")
    handle = await handle_of(house, "dominique")
    await profile.enter(house.app, box, handle, "allergies", {"what": "Noix", "severity": "mild"})
    (first,) = (await profile.one_filled(house.app, handle, "allergies")).entries
    await profile.enter(house.app, box, handle, "allergies", {"what": "Noix de cajou"}, corrects=first.id)
    (second,) = (await profile.one_filled(house.app, handle, "allergies")).entries
    await profile.say_none(house.app, box, handle, "disabilities")
    key = (await analytes(house, "dominique"))[0].key
    sections = {slug: slug for slug in ("allergies", "directives", "disabilities", "lifestyle")}
    return {"analyte": key, "allergy": second.id, **sections}
