"""Patient: who the dossier is about, for themselves and for a professional who has it (fr-core: slices INS-NIR and
INS-NIA). A machine is not told.
"""

from __future__ import annotations

from typing import Final

from server import people
from server.api.fhir import terms, whom
from server.api.fhir.asking import Param, Value
from server.api.fhir.documents import gender
from server.api.fhir.front import Call, Found
from server.api.fhir.terms import Json, filled, outer
from server.errors import Refused
from server.handles import DossierHandle
from server.people import Traits

SEARCHED: Final = (
    Param("identifier", "token", "An INS (system|value). Prefer POST _search: an INS has no place in a URL"),
)
_TYPES: Final = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
_PLACE: Final = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
_INSEE: Final = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
_INSEE_CODE: Final = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code"
_NIA: Final = "1.2.250.1.213.1.4.9"


async def everything(call: Call, handle: DossierHandle) -> list[Found]:
    if not whom.reads_as_office(handle):
        raise Refused
    traits = await call.app.db.read(lambda tx: people.traits(call.app, tx, handle.space_id))
    if traits is None:
        return []

    def values(_: str) -> list[Value]:
        return [(f"urn:oid:{traits.oid}", traits.ins)]

    return [Found(outer(handle.space_id), 0, values, lambda: patient(traits))]


def patient(traits: Traits) -> Json:
    kind = "INS-NIA" if traits.oid == _NIA else "INS-NIR"
    coded = [{"url": _INSEE_CODE, "valueCoding": terms.coding(_INSEE, traits.birth_place)}]
    place = {"url": _PLACE, "valueAddress": {"extension": coded}}
    names = [{"use": "official", "family": traits.birth_name, "given": [traits.given]}]
    if traits.used_name:
        names.append({"use": "usual", "family": traits.used_name, "given": [traits.given]})
    return filled({
        "resourceType": "Patient",
        "extension": [place] if traits.birth_place else [],
        "identifier": [{
            "use": "official",
            "type": terms.one_concept(_TYPES, kind),
            "system": f"urn:oid:{traits.oid}",
            "value": traits.ins,
        }],
        "name": names,
        "gender": gender(traits.sex),
        "birthDate": traits.birth_date,
    })  # fmt: skip
