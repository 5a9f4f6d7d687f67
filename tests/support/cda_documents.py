"""Health documents for the tests, made of what they shall say: give findings, have the CDA that says them.

    cda(results=[Result(...)], allergies=[...])        a structured document (level 3) about Dominique
    cda("marcel", type_code="11502-2", confidentiality=("R", "MASQUE_PS"), pdf=letters.pdf(), signed=True)
    xdm(cda(...))                                      the same in an IHE_XDM.ZIP

What the examples of the ANS lack is made here: R and V, INVISIBLE_*, men, other languages, a signature, masked values.
A value of `findings.MASKED` is written as nullFlavor MSK. `cda_entries.findings` gives back what was put in. Nothing of
the examples is copied. Deterministic: the same call gives the same bytes. CI-SIS, volets « Référentiel d'entrées CDA ».
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from server.demo import HOLDERS
from server.formats.findings import (
    MASKED,
    Allergy,
    Coded,
    Finding,
    Immunisation,
    Measure,
    Problem,
    Quantity,
    Result,
    Treatment,
)  # fmt: skip
from tests import letters

LOINC: Final = "2.16.840.1.113883.6.1"
SNOMED: Final = "2.16.840.1.113883.6.96"
CIM10: Final = "2.16.840.1.113883.6.3"
ATC: Final = "2.16.840.1.113883.6.73"
CIS: Final = "1.2.250.1.213.2.3.1"
ROUTES: Final = "0.4.0.127.0.16.1.1.2.1"

GLUCOSE: Final = Result(
    at="2026-11-20T08:30:00+01:00",
    analyte=Coded("40193-5", LOINC, "Glucose à jeun [Moles/Volume] Sérum/Plasma ; Numérique"),
    value=Quantity("7.2", "mmol/L"), low="3.89", high="6.00", interpretation="H",
)  # fmt: skip
GLUCOSE_TWICE: Final = (
    GLUCOSE,
    Result(
        at=GLUCOSE.at,
        analyte=Coded("53049-3", LOINC, "Glucose à jeun [Masse/Volume] Sérum/Plasma ; Numérique"),
        value=Quantity("1.30", "g/L"), low="0.70", high="1.08", interpretation="H",
    ),
)  # fmt: skip
TETANUS: Final = Immunisation(
    at="2009-09-28", atc=Coded("J07AM", ATC, "vaccins tétaniques"), lot="4456672", rank="2", site="deltoïde gauche"
)
WEIGHT: Final = Measure(at="2026-11-20", what=Coded("29463-7", LOINC, "Poids"), value=Quantity("72", "kg"))
PENICILLIN: Final = Allergy(at="2018-06-03", agent=Coded("J01CA", ATC, "Pénicillines"), status="active")
NO_ALLERGY: Final = Allergy(agent=Coded("716186003", SNOMED, "aucune allergie connue"), none_known=True)
DIABETES: Final = Problem(at="2021", what=Coded("E11", CIM10, "Diabète sucré de type 2"), status="active")
PARACETAMOL: Final = Treatment(
    at="2026-11-20", until="2026-11-25", mood="INT", product=Coded("63107752", CIS, "PARACETAMOL 500 mg, comprimé"),
    atc=Coded("N02BE01", ATC, "paracétamol"), route="Voie orale", line="AADC9C14-F1CA-4177-B2C8-A5178D5B3CA0",
)  # fmt: skip

_LANGUAGES: Final = {
    "fr-FR": ("Compte rendu d’examens biologiques", "Glycémie 1,30 g/L"),
    "en-GB": ("Laboratory report", "Fasting blood glucose 1.30 g/L"),
    "de-DE": ("Laborbefund", "Nüchternblutzucker 1,30 g/L, erhöht"),
}
_MEANINGS: Final = "2.16.840.1.113883.5.83"
_CD: Final = 'value xsi:type="CD"'
_SIGNATURE: Final = (
    '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>'
    '<CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>'
    '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><Reference URI=""><Transforms>'
    '<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms>'
    '<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue>AAAA</DigestValue></Reference>'
    "</SignedInfo><SignatureValue>AAAA</SignatureValue></Signature>"
)


def cda(
    patient: str = "dominique",
    *,
    type_code: str = "11502-2",
    confidentiality: tuple[str, ...] = ("N",),
    results: Sequence[Result] = (),
    immunisations: Sequence[Immunisation] = (),
    measures: Sequence[Measure] = (),
    treatments: Sequence[Treatment] = (),
    allergies: Sequence[Allergy] = (),
    problems: Sequence[Problem] = (),
    entries: str = "",
    language: str = "fr-FR",
    title: str = "",
    narrative: str = "",
    pdf: bytes = b"",
    signed: bool = False,
    **header: object,
) -> bytes:
    """A structured CDA about somebody of the demo. `pdf`: the copy it carries of itself (section 55108-5). `entries`:
    raw `<entry>` elements in a section of their own. `language` fr-FR, en-GB or de-DE. The rest as `letters.cda`:
    document_id, set_id, version, replaces, effective, author, organisation …
    """
    words, said = _LANGUAGES.get(language, _LANGUAGES["fr-FR"])
    who = HOLDERS[patient]
    traits: dict[str, object] = {
        "ins": who.ins, "oid": who.oid, "birth_name": who.birth_name, "given": who.given.upper(),
        "birth_date": who.birth_date.replace("-", ""), "sex": who.sex, "birth_place": who.birth_place,
    }  # fmt: skip
    facts = traits | {"type_code": type_code, "confidentiality": confidentiality, "title": title or words} | header
    text = letters.cda(body=b"", narrative=narrative or said, **facts).decode()  # type: ignore[arg-type]
    sections = [
        _section("18719-5", "Biochimie", "1.3.6.1.4.1.19376.1.3.3.2.1", _laboratory(results)) if results else "",
        _section("11369-6", "Vaccinations", "", map(_immunisation, immunisations)),
        _section("8716-3", "Signes vitaux", "", _vital_signs(measures)),
        _section("10160-0", "Traitements", "", map(_treatment, treatments)),
        _section("48765-2", "Allergies", "", map(_allergy, allergies)),
        _section("11450-4", "Problèmes", "", map(_problem, problems)),
        _section("55112-7", "Autres", "", [entries] if entries else ()),
        _section("55108-5", "Copie du document", "", [_copy(pdf)] if pdf else ()),
    ]
    text = text.replace("</structuredBody>", "".join(sections) + "</structuredBody>")
    text = text.replace('<languageCode code="fr-FR"/>', f'<languageCode code="{language}"/>')
    return (text.replace("</ClinicalDocument>", f"{_SIGNATURE if signed else ''}</ClinicalDocument>")).encode()


def saying(found: Iterable[Finding], patient: str = "dominique", **facts: object) -> bytes:
    """As `cda`, of findings of any kinds."""
    plural = {"result": "results", "immunisation": "immunisations", "measure": "measures", "treatment": "treatments",
              "allergy": "allergies", "problem": "problems"}  # fmt: skip
    kinds: dict[str, list[Finding]] = {}
    for one in found:
        kinds.setdefault(plural[one.kind], []).append(one)
    return cda(patient, **(kinds | facts))  # type: ignore[arg-type]


def xdm(*documents: bytes, patient: str = "dominique", **facts: object) -> bytes:
    """An IHE_XDM.ZIP of these documents. The rest as `letters.xdm_zip`: title, type_code, document_id, action …"""
    who = HOLDERS[patient]
    return letters.xdm_zip(documents=list(documents), ins=who.ins, oid=who.oid, **facts)  # type: ignore[arg-type]


# ---- entries ---------------------------------------------------------------------------------------------------------


def _laboratory(results: Sequence[Result]) -> list[str]:
    inner = "".join(f'<entryRelationship typeCode="COMP">{_result(one)}</entryRelationship>' for one in results)
    return [f'<act classCode="ACT" moodCode="EVN">{_code(Coded("18719-5", LOINC, "Biochimie"))}{inner}</act>']


def _result(one: Result) -> str:
    read = _coded("interpretationCode", Coded(one.interpretation, _MEANINGS)) if one.interpretation else ""
    span = _bound("low", one.low, one.value.unit) + _bound("high", one.high, one.value.unit)
    range_ = f'<value xsi:type="IVL_PQ">{span}</value>' if span else f"<text>{escape(one.range_text)}</text>"
    reference = (
        f'<referenceRange typeCode="REFV"><observationRange>{range_}</observationRange></referenceRange>'
        if span or one.range_text
        else ""
    )
    before = (
        f'<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN">{_code(one.analyte)}'
        f'<value xsi:type="ST">{escape(one.previous)}</value></observation></entryRelationship>'
        if one.previous
        else ""
    )
    method = _coded("methodCode", Coded(label=one.method)) if one.method else ""
    return (
        f'<observation classCode="OBS" moodCode="EVN">{_template("1.3.6.1.4.1.19376.1.3.1.6")}{_code(one.analyte)}'
        f"{_time(one.at)}{_value(one.value)}{read}{method}{before}{reference}"
        "</observation>"
    )


def _immunisation(one: Immunisation) -> str:
    rank = (
        '<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN">'
        f'{_code(Coded("30973-2", LOINC))}<value xsi:type="INT" value="{one.rank}"/></observation></entryRelationship>'
        if one.rank
        else ""
    )
    reaction = _related("CAUS", _problem_observation(Problem(what=Coded(label=one.reaction)))) if one.reaction else ""
    site = _coded("approachSiteCode", Coded(label=one.site)) if one.site else ""
    return (
        f'<substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="{str(not one.done).lower()}">'
        f"{_template('1.3.6.1.4.1.19376.1.5.3.1.4.12')}{_code(Coded('INITIMMUNIZ', '2.16.840.1.113883.5.4'))}"
        f"{_time(one.at)}{site}{_product('consumable', one.product, one.atc, one.lot)}{rank}{reaction}"
        f"{_related('RSON', _act(one.reason)) if one.reason else ''}</substanceAdministration>"
    )


def _vital_signs(measures: Sequence[Measure]) -> list[str]:
    """An organizer a date, which its measures have from it."""
    return [
        f'<organizer classCode="CLUSTER" moodCode="EVN">{_template("1.3.6.1.4.1.19376.1.5.3.1.4.13.1")}'
        f"{_code(Coded('85353-1', LOINC, 'Signes vitaux'))}{_time(at)}{''.join(map(_measure, group))}</organizer>"
        for at, group in groupby(measures, lambda one: one.at)
    ]


def _measure(one: Measure) -> str:
    return (
        f'<component><observation classCode="OBS" moodCode="EVN">{_template("1.3.6.1.4.1.19376.1.5.3.1.4.13.2")}'
        f'{_code(one.what)}<effectiveTime nullFlavor="NASK"/>{_value(one.value)}</observation></component>'
    )


def _treatment(one: Treatment) -> str:
    line = f'<id root="{one.line}"/>' if one.line else ""
    words = f"<text>{escape(one.dose)}</text>" if one.dose else ""
    if one.mood == "DISP":
        root, _, extension = one.answers.partition("^")
        answered = (
            _related(
                "REFR",
                f'<substanceAdministration classCode="SBADM" moodCode="INT">{_template("1.3.6.1.4.1.19376.1.9.1.3.11")}'
                f'<id root="{root}"{_attribute("extension", extension)}/></substanceAdministration>',
            )
            if one.answers
            else ""
        )
        return (
            f'<supply classCode="SPLY" moodCode="EVN">{_template("1.3.6.1.4.1.19376.1.5.3.1.4.7.3")}{line}'
            f"{_time(one.at)}{_quantity(one.quantity)}{_product('product', one.product, one.atc)}{answered}</supply>"
        )
    wanted = (
        _related("COMP", f'<supply classCode="SPLY" moodCode="RQO">{_quantity(one.quantity)}</supply>')
        if one.quantity
        else ""
    )
    repeats = f'<repeatNumber value="{one.repeats}"/>' if one.repeats else ""
    route = _coded("routeCode", Coded("20053000", ROUTES, one.route)) if one.route else ""
    return (
        f'<substanceAdministration classCode="SBADM" moodCode="{one.mood}">'
        f"{_template('1.3.6.1.4.1.19376.1.5.3.1.4.7')}{line}{words}"
        f'<effectiveTime xsi:type="IVL_TS">{_edge("low", one.at)}{_edge("high", one.until)}</effectiveTime>'
        f"{repeats}{route}"
        f"{_product('consumable', one.product, one.atc)}{wanted}"
        f"{_related('RSON', _act(one.reason)) if one.reason else ''}</substanceAdministration>"
    )


def _allergy(one: Allergy) -> str:
    agent = (
        '<participant typeCode="CSM"><participantRole classCode="MANU"><playingEntity classCode="MMAT">'
        f"{_code(one.agent)}</playingEntity></participantRole></participant>"
    )
    value = _coded(_CD, one.agent) if one.none_known else '<value xsi:type="CD" nullFlavor="NA"/>'
    reaction = _related("MFST", _problem_observation(Problem(what=Coded(label=one.reaction)))) if one.reaction else ""
    inner = (
        '<observation classCode="OBS" moodCode="EVN" negationInd="false">'
        f"{_template('1.3.6.1.4.1.19376.1.5.3.1.4.5')}{_template('1.3.6.1.4.1.19376.1.5.3.1.4.6')}"
        f"{_code(Coded('416098002', SNOMED, 'allergie médicamenteuse'))}"
        f'<effectiveTime xsi:type="IVL_TS">{_edge("low", one.at)}</effectiveTime>{value}'
        f"{'' if one.none_known else agent}{reaction}{_status(one.status)}</observation>"
    )
    return _concern("1.3.6.1.4.1.19376.1.5.3.1.4.5.3", inner)


def _problem(one: Problem) -> str:
    return _concern("1.3.6.1.4.1.19376.1.5.3.1.4.5.2", _problem_observation(one))


def _problem_observation(one: Problem) -> str:
    return (
        '<observation classCode="OBS" moodCode="EVN" negationInd="false">'
        f"{_template('1.3.6.1.4.1.19376.1.5.3.1.4.5')}"
        f"{_code(Coded('282291009', SNOMED, 'interprétation diagnostique'))}"
        f'<effectiveTime xsi:type="IVL_TS">{_edge("low", one.at)}{_edge("high", one.until)}</effectiveTime>'
        f"{_coded(_CD, one.what)}{_status(one.status)}</observation>"
    )


def _concern(template: str, inner: str) -> str:
    return (
        f'<act classCode="ACT" moodCode="EVN">{_template("1.3.6.1.4.1.19376.1.5.3.1.4.5.1")}{_template(template)}'
        f'<code nullFlavor="NA"/><statusCode code="active"/>{_related("SUBJ", inner)}</act>'
    )


def _status(code: str) -> str:
    if not code:
        return ""
    return _related(
        "REFR",
        '<observation classCode="OBS" moodCode="EVN">' + _code(Coded("33999-4", LOINC, "Status"))
        + _coded(_CD, Coded(code, "2.16.840.1.113883.4.642.4.1373")) + "</observation>",
    )  # fmt: skip


def _copy(pdf: bytes) -> str:
    return (
        '<organizer classCode="CLUSTER" moodCode="EVN"><component><observationMedia classCode="OBS" moodCode="EVN" '
        f'ID="doc-1"><value mediaType="application/pdf" representation="B64">{base64.b64encode(pdf).decode()}</value>'
        "</observationMedia></component></organizer>"
    )


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _section(code: str, title: str, template: str, inner: Iterable[str]) -> str:
    entries = "".join(one if one.startswith("<entry") else f"<entry>{one}</entry>" for one in inner)
    if not entries:
        return ""
    return (
        f"<component><section>{_template(template) if template else ''}{_code(Coded(code, LOINC, title))}"
        f"<title>{title}</title>{entries}</section></component>"
    )


def _related(kind: str, inner: str) -> str:
    return f'<entryRelationship typeCode="{kind}">{inner}</entryRelationship>'


def _act(words: str) -> str:
    return f'<act classCode="ACT" moodCode="EVN">{_code(Coded(label=words))}</act>'


def _template(root: str) -> str:
    return f'<templateId root="{root}"/>'


def _code(code: Coded) -> str:
    return _coded("code", code)


def _coded(element: str, code: Coded) -> str:
    name = element.partition(" ")[0]
    if code.label == MASKED:
        return f'<{element} nullFlavor="MSK"/>'
    if not code.code:
        return f"<{element}><originalText>{escape(code.label)}</originalText></{name}>"
    label = _attribute("displayName", code.label)
    return f'<{element} code={quoteattr(code.code)} codeSystem="{code.system}"{label}/>'


def _value(value: Quantity) -> str:
    if value.value == MASKED:
        return '<value xsi:type="PQ" nullFlavor="MSK"/>'
    if value.comparator:
        side, inclusive = ("high" if "<" in value.comparator else "low"), str("=" in value.comparator).lower()
        number = f'{side} value="{value.value}" unit={quoteattr(value.unit)} inclusive="{inclusive}"'
        return f'<value xsi:type="IVL_PQ"><{number}/></value>'
    if value.value.replace(".", "").lstrip("-").isdigit():
        return f'<value xsi:type="PQ" value="{value.value}"{_attribute("unit", value.unit)}/>'
    return f'<value xsi:type="ST">{escape(value.value)}</value>'


def _product(element: str, product: Coded, atc: Coded, lot: str = "") -> str:
    """A product that has no code of its own has its ATC in a translation, as 92 of 108 vaccinations of the examples."""
    own = f' code="{product.code}" codeSystem="{product.system}"' if product.code else ""
    label = _attribute("displayName", product.label) if own else ""
    other = _coded("translation", atc) if atc.code else ""
    name = f"<name>{escape(product.label or atc.label)}</name>"
    batch = f"<lotNumberText>{lot}</lotNumberText>" if lot else ""
    return (
        f"<{element}><manufacturedProduct><manufacturedMaterial><code{own}{label}>{other}</code>{name}"
        f"{batch}</manufacturedMaterial></manufacturedProduct></{element}>"
    )


def _quantity(words: str) -> str:
    number, _, unit = words.partition(" ")
    return f'<quantity value="{number}"{_attribute("unit", unit)}/>' if words else ""


def _attribute(name: str, value: str) -> str:
    return f" {name}={quoteattr(value)}" if value else ""


def _bound(side: str, value: str, unit: str) -> str:
    return f'<{side} value="{value}" unit={quoteattr(unit)}/>' if value else ""


def _edge(side: str, at: str) -> str:
    return f'<{side} value="{_hl7(at)}"/>' if at else f'<{side} nullFlavor="UNK"/>'


def _time(at: str) -> str:
    return f'<effectiveTime value="{_hl7(at)}"/>' if at else '<effectiveTime nullFlavor="UNK"/>'


def _hl7(at: str) -> str:
    """2026-11-20T08:30:00+01:00 as 20261120083000+0100."""
    day, _, clock = at.partition("T")
    return day.replace("-", "") + clock.replace(":", "")
