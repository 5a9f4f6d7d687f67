"""Allergies and problems, out of CDA entries. Pure.

IHE PCC Problem Entry, Allergies and Intolerances; CI-SIS FR-Probleme, FR-Allergie-ou-hypersensibilite. That there is no
known allergy is a code, said by somebody: never drawn from an absence. What a document says not to be (negationInd) has
no code and « Absence de : » in its label, so that nobody reads it as a disease.
"""

from __future__ import annotations

from typing import Final

from server.formats.cda_medicines import reactions
from server.formats.cda_place import Place, code_of, comments, own_time, related
from server.formats.cda_values import V3, at, coded, interval, joined, quantities, templates, words
from server.formats.findings import MASKED, Allergy, Coded, Problem
from server.formats.xml import Element

ABSENT: Final = "absent"  # the status of what is said not to be
_STATUS: Final = "33999-4"
_SEVERITY: Final = "1.3.6.1.4.1.19376.1.5.3.1.4.1"
# SNOMED CT and HL7 (IPS): none is known. « No information » is none of these.
_NO_ALLERGY: Final = {
    "716186003", "716184000", "716185004", "716220001", "409137002", "429625007", "428607008", "428197003",
    "160244002", "no-known-allergies", "no-known-medication-allergies", "no-known-food-allergies",
    "no-known-environmental-allergies",
}  # fmt: skip
_NO_PROBLEM: Final = {"160245001", "no-known-problems"}
_STATES: Final = {
    "55561003": "active", "73425007": "inactive", "413322009": "resolved", "246455001": "recurrence",
    "263855007": "relapse", "277022003": "remission",
}  # fmt: skip


def allergy(element: Element, place: Place) -> Allergy | None:
    kind_of = coded(element.find(f"{V3}code"), place.texts)
    value = element.find(f"{V3}value")
    said = coded(value, place.texts)
    agent = _agent(element, place)
    negated = element.get("negationInd") in {"true", "1"}
    none_known = bool({kind_of.code, said.code, agent.code} & _NO_ALLERGY) or (negated and not agent.label)
    if none_known:
        told = [one for one in (said, agent, kind_of) if one.code in _NO_ALLERGY]
        agent = told[0] if told else Coded(label="Aucune allergie connue")
    elif negated:
        agent = _absent(agent)
    elif not agent.label:
        words_ = place.texts.referred(element.find(f"{V3}text")) or place.narrative
        agent = said if said.label else Coded(label=words_ or kind_of.label)
    if not agent.label:
        return None
    began, ended = interval(element.find(f"{V3}effectiveTime"))
    # The description of what it does stands as the value when the agent stands as a participant.
    effect = said.label if not none_known and said.label and said != agent else ""
    return Allergy(
        at=began or own_time(element),
        note=comments(element, place.texts),
        agent=agent,
        reaction=joined((effect, *reactions(element, place, "MFST"))),
        severity=_severity(element, place),
        status=ABSENT if negated and not none_known else _status(element, place) or ("resolved" if ended else ""),
        none_known=none_known,
    )


def _agent(element: Element, place: Place) -> Coded:
    playing = element.find(at("participant[@typeCode='CSM']/participantRole/playingEntity"))
    if playing is None:
        return Coded()
    found = coded(playing.find(f"{V3}code"), place.texts)
    return found if found.label else Coded(label=words(playing.find(f"{V3}name")))


def problem(element: Element, place: Place) -> Problem | None:
    value = element.find(f"{V3}value")
    what = coded(value, place.texts)
    if not what.label:
        told = quantities(element, place.texts).value or place.texts.referred(element.find(f"{V3}text"))
        applies = value is None or value.get("nullFlavor") != "NA"
        what = Coded(label=told or (place.narrative if applies else ""))
    if not what.label:
        return None
    negated = element.get("negationInd") in {"true", "1"}
    began, ended = interval(element.find(f"{V3}effectiveTime"))
    return Problem(
        at=began or own_time(element),
        until=ended if began else "",
        note=comments(element, place.texts),
        what=_absent(what) if negated else what,
        status=ABSENT if negated else _status(element, place) or ("resolved" if began and ended else ""),
        section=place.section,
        none_known=what.code in _NO_PROBLEM,
    )


def _absent(what: Coded) -> Coded:
    return what if what.label == MASKED else Coded(label=f"Absence de : {what.label}")


def _status(element: Element, place: Place) -> str:
    """active, inactive, resolved …; words when the code is of another list."""
    for one in related(element, "REFR"):
        if code_of(one) == _STATUS:
            found = coded(one.find(f"{V3}value"), place.texts)
            known = _STATES.get(found.code, found.code if found.code.isalpha() and found.code.islower() else "")
            return (known or found.label)[:100]
    return ""


def _severity(element: Element, place: Place) -> str:
    for one in related(element, "SUBJ"):
        if code_of(one) == "SEV" or _SEVERITY in templates(one):
            return coded(one.find(f"{V3}value"), place.texts).label[:100]
    return ""
