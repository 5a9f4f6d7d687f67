"""FHIR R4 (4.0.1) as strictly as a validator holds resources to it, for those the façade serves and takes: no element
that is not the standard's, required ones there, cardinalities, primitive forms, required value sets, and the invariants
that no schema says. Written from the standard's definitions, by other means than the ones under test.

`faults(resource)` lists what is wrong; [] for a resource that holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PRIMITIVES = {
    "string": r"[\s\S]+", "markdown": r"[\s\S]+", "uri": r"\S+", "url": r"\S+", "canonical": r"\S+",
    "code": r"[^\s]+(?:\s[^\s]+)*", "id": r"[A-Za-z0-9\-.]{1,64}",
    "date": r"\d{4}(?:-\d\d(?:-\d\d)?)?",
    "dateTime": r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?)?)?",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)",
    "base64Binary": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
}  # fmt: skip

# name, then + (1..*), * (0..*), ! (1..1) or nothing (0..1), then its type; `code(a|b)` for a required value set;
# `value[x]:A|B`: one of them at most, `value[x]!:` one at least; `{…}` for a part that has no type of its own.
_TYPES = {
    "Coding": "system:uri version:string code:code display:string _display:Any userSelected:boolean",
    "CodeableConcept": "coding*:Coding text:string",
    "Identifier": "use:code(usual|official|temp|secondary|old) type:CodeableConcept system:uri value:string"
    " period:Period assigner:Reference",
    "Reference": "reference:string type:uri identifier:Identifier display:string",
    "Period": "start:dateTime end:dateTime",
    "Quantity": "value:decimal comparator:code(<|<=|>=|>) unit:string system:uri code:code",
    "Range": "low:Quantity high:Quantity",
    "Annotation": "author[x]:Reference|string time:dateTime text!:markdown",
    "Attachment": "contentType:code language:code data:base64Binary url:url size:unsignedInt hash:base64Binary"
    " title:string creation:dateTime",
    "QuestionnaireItem": "linkId!:string definition:uri code*:Coding prefix:string text:string _text:Any"
    " type!:code(group|display|boolean|decimal|integer|date|dateTime|time|string|text|url|choice|open-choice|attachment"
    "|reference|quantity) enableWhen*:{question!:string operator!:code(exists|=|!=|>|<|>=|<=)"
    " answer[x]!:boolean|decimal|integer|date|dateTime|time|string|Coding|Quantity|Reference}"
    " enableBehavior:code(all|any) required:boolean repeats:boolean readOnly:boolean maxLength:integer"
    " answerOption*:{value[x]!:integer|date|time|string|Coding|Reference _valueString:Any initialSelected:boolean}"
    " initial*:{value[x]!:boolean|decimal|integer|date|dateTime|time|string|uri|Attachment|Coding|Quantity|Reference}"
    " item*:QuestionnaireItem",
    "ResponseItem": "linkId!:string definition:uri text:string answer*:{value[x]:boolean|decimal|integer|date|dateTime"
    "|time|string|uri|Attachment|Coding|Quantity|Reference item*:ResponseItem} item*:ResponseItem",
    "HumanName": "use:code(usual|official|temp|nickname|anonymous|old|maiden) text:string family:string given*:string"
    " prefix*:string suffix*:string period:Period",
    "Address": "use:code(home|work|temp|old|billing) type:code(postal|physical|both) text:string line*:string"
    " city:string district:string state:string postalCode:string country:string period:Period",
    "Meta": "versionId:id lastUpdated:instant source:uri profile*:canonical security*:Coding tag*:Coding",
    "Extension": "url!:uri value[x]:boolean|string|code|uri|dateTime|integer|decimal|CodeableConcept|Coding|Identifier"
    "|Reference|Period|Quantity|Address",
    "Dosage": "sequence:integer text:string timing:Any asNeeded[x]:boolean|CodeableConcept site:CodeableConcept"
    " route:CodeableConcept method:CodeableConcept doseAndRate*:Any",
    "Narrative": "status!:code(generated|extensions|additional|empty) div!:string",
}
_CONTENT = (
    "identifier*:Identifier status!:code(current|superseded|entered-in-error) docStatus:code type:CodeableConcept"
    " category*:CodeableConcept subject:Reference date:instant author*:Reference authenticator:Reference"
    " custodian:Reference"
    " relatesTo*:{code!:code(replaces|transforms|signs|appends) target!:Reference} description:string"
    " securityLabel*:CodeableConcept content+:{attachment!:Attachment format:Coding}"
    " context:{encounter*:Reference event*:CodeableConcept period:Period facilityType:CodeableConcept"
    " practiceSetting:CodeableConcept sourcePatientInfo:Reference related*:Reference}"
)
_OBSERVED = (
    "value[x]:Quantity|CodeableConcept|string|boolean|integer|Range|dateTime|Period dataAbsentReason:CodeableConcept"
    " interpretation*:CodeableConcept referenceRange*:{low:Quantity high:Quantity type:CodeableConcept"
    " appliesTo*:CodeableConcept age:Range text:string}"
)
_RESOURCES = {
    "Questionnaire": "url:uri identifier*:Identifier version:string name:string title:string _title:Any"
    " derivedFrom*:canonical status!:code(draft|active|retired|unknown) subjectType*:code date:dateTime"
    " publisher:string description:markdown _description:Any purpose:markdown code*:Coding item*:QuestionnaireItem",
    "QuestionnaireResponse": "identifier:Identifier basedOn*:Reference partOf*:Reference questionnaire:canonical"
    " status!:code(in-progress|completed|amended|entered-in-error|stopped) subject:Reference encounter:Reference"
    " authored:dateTime author:Reference source:Reference item*:ResponseItem",
    "DocumentReference": f"masterIdentifier:Identifier {_CONTENT}",
    "Binary": "contentType!:code securityContext:Reference data:base64Binary",
    "List": "identifier*:Identifier status!:code(current|retired|entered-in-error) mode!:code(working|snapshot|changes)"
    " title:string code:CodeableConcept subject:Reference encounter:Reference date:dateTime source:Reference"
    " orderedBy:CodeableConcept note*:Annotation entry*:{flag:CodeableConcept deleted:boolean date:dateTime"
    " item!:Reference} emptyReason:CodeableConcept",
    "Observation": "identifier*:Identifier basedOn*:Reference partOf*:Reference"
    " status!:code(registered|preliminary|final|amended|corrected|cancelled|entered-in-error|unknown)"
    " category*:CodeableConcept code!:CodeableConcept subject:Reference focus*:Reference encounter:Reference"
    f" effective[x]:dateTime|Period|instant issued:instant performer*:Reference {_OBSERVED} note*:Annotation"
    " bodySite:CodeableConcept method:CodeableConcept specimen:Reference device:Reference hasMember*:Reference"
    f" derivedFrom*:Reference component*:{{code!:CodeableConcept {_OBSERVED}}}",
    "Immunization": "identifier*:Identifier status!:code(completed|entered-in-error|not-done)"
    " statusReason:CodeableConcept vaccineCode!:CodeableConcept patient!:Reference encounter:Reference"
    " occurrence[x]!:dateTime|string recorded:dateTime primarySource:boolean reportOrigin:CodeableConcept"
    " location:Reference manufacturer:Reference lotNumber:string expirationDate:date site:CodeableConcept"
    " route:CodeableConcept doseQuantity:Quantity performer*:{function:CodeableConcept actor!:Reference}"
    " note*:Annotation reasonCode*:CodeableConcept"
    " reaction*:{date:dateTime detail:Reference reported:boolean}"
    " protocolApplied*:{series:string authority:Reference targetDisease*:CodeableConcept"
    " doseNumber[x]!:positiveInt|string seriesDoses[x]:positiveInt|string}",
    "AllergyIntolerance": "identifier*:Identifier clinicalStatus:CodeableConcept verificationStatus:CodeableConcept"
    " type:code(allergy|intolerance) category*:code criticality:code code:CodeableConcept patient!:Reference"
    " encounter:Reference onset[x]:dateTime|Period|string recordedDate:dateTime recorder:Reference asserter:Reference"
    " lastOccurrence:dateTime note*:Annotation reaction*:{substance:CodeableConcept manifestation+:CodeableConcept"
    " description:string onset:dateTime severity:code(mild|moderate|severe) note*:Annotation}",
    "Condition": "identifier*:Identifier clinicalStatus:CodeableConcept verificationStatus:CodeableConcept"
    " category*:CodeableConcept severity:CodeableConcept code:CodeableConcept bodySite*:CodeableConcept"
    " subject!:Reference encounter:Reference onset[x]:dateTime|Period|string abatement[x]:dateTime|Period|string"
    " recordedDate:dateTime recorder:Reference asserter:Reference note*:Annotation",
    "MedicationStatement": "identifier*:Identifier basedOn*:Reference partOf*:Reference"
    " status!:code(active|completed|entered-in-error|intended|stopped|on-hold|unknown|not-taken)"
    " statusReason*:CodeableConcept category:CodeableConcept medication[x]!:CodeableConcept|Reference"
    " subject!:Reference context:Reference effective[x]:dateTime|Period dateAsserted:dateTime"
    " informationSource:Reference derivedFrom*:Reference reasonCode*:CodeableConcept reasonReference*:Reference"
    " note*:Annotation dosage*:Dosage",
    "Appointment": "identifier*:Identifier status!:code(proposed|pending|booked|arrived|fulfilled|cancelled|noshow"
    "|entered-in-error|checked-in|waitlist) cancelationReason:CodeableConcept serviceCategory*:CodeableConcept"
    " serviceType*:CodeableConcept specialty*:CodeableConcept appointmentType:CodeableConcept"
    " reasonCode*:CodeableConcept reasonReference*:Reference priority:unsignedInt description:string"
    " supportingInformation*:Reference start:instant end:instant minutesDuration:positiveInt slot*:Reference"
    " created:dateTime comment:string patientInstruction:string basedOn*:Reference"
    " participant+:{type*:CodeableConcept actor:Reference required:code(required|optional|information-only)"
    " status!:code(accepted|declined|tentative|needs-action) period:Period} requestedPeriod*:Period",
    "Consent": "identifier*:Identifier status!:code(draft|proposed|active|rejected|inactive|entered-in-error)"
    " scope!:CodeableConcept category+:CodeableConcept patient:Reference dateTime:dateTime performer*:Reference"
    " organization*:Reference source[x]:Attachment|Reference policy*:{authority:uri uri:uri}"
    " policyRule:CodeableConcept verification*:Any provision:{type:code(deny|permit) period:Period"
    " actor*:{role!:CodeableConcept reference!:Reference} action*:CodeableConcept securityLabel*:Coding"
    " purpose*:Coding class*:Coding code*:CodeableConcept dataPeriod:Period data*:Any provision*:Any}",
    "AuditEvent": "type!:Coding subtype*:Coding action:code(C|R|U|D|E) period:Period recorded!:instant"
    " outcome:code(0|4|8|12) outcomeDesc:string purposeOfEvent*:CodeableConcept"
    " agent+:{type:CodeableConcept role*:CodeableConcept who:Reference altId:string name:string requestor!:boolean"
    " location:Reference policy*:uri media:Coding network:Any purposeOfUse*:CodeableConcept}"
    " source!:{site:string observer!:Reference type*:Coding}"
    " entity*:{what:Reference type:Coding role:Coding lifecycle:Coding securityLabel*:Coding name:string"
    " description:string query:base64Binary detail*:Any}",
    "Patient": "identifier*:Identifier active:boolean name*:HumanName telecom*:Any"
    " gender:code(male|female|other|unknown) birthDate:date deceased[x]:boolean|dateTime address*:Address"
    " maritalStatus:CodeableConcept multipleBirth[x]:boolean|integer contact*:Any communication*:Any"
    " generalPractitioner*:Reference managingOrganization:Reference link*:Any",
    "Practitioner": "identifier*:Identifier active:boolean name*:HumanName telecom*:Any address*:Address"
    " gender:code birthDate:date qualification*:Any communication*:CodeableConcept",
    "Organization": "identifier*:Identifier active:boolean type*:CodeableConcept name:string alias*:string telecom*:Any"
    " address*:Address partOf:Reference",
    "Device": "identifier*:Identifier definition:Reference status:code manufacturer:string serialNumber:string"
    " deviceName*:{name!:string type!:code} modelNumber:string type:CodeableConcept"
    " specialization*:{systemType!:CodeableConcept version:string} version*:Any patient:Reference note*:Annotation",
    "OperationOutcome": "issue+:{severity!:code(fatal|error|warning|information) code!:code(invalid|structure|required"
    "|value|invariant|security|login|unknown|expired|forbidden|suppressed|processing|not-supported|duplicate"
    "|multiple-matches|not-found|deleted|too-long|code-invalid|extension|too-costly|business-rule|conflict|transient"
    "|lock-error|no-store|exception|timeout|incomplete|throttled|informational) details:CodeableConcept"
    " diagnostics:string location*:string expression*:string}",
    "Bundle": "identifier:Identifier type!:code(document|message|transaction|transaction-response|batch|batch-response"
    "|history|searchset|collection) timestamp:instant total:unsignedInt link*:{relation!:string url!:uri}"
    " entry*:{link*:Any fullUrl:uri resource:Resource search:{mode:code(match|include|outcome) score:decimal}"
    " request:{method!:code(GET|HEAD|POST|PUT|DELETE|PATCH) url!:uri ifNoneMatch:string ifMatch:string"
    " ifNoneExist:string} response:{status!:string location:uri etag:string lastModified:instant outcome:Resource}}",
    "Parameters": "parameter*:{name!:string value[x]:string|code|boolean|uri resource:Resource part*:Any}",
    "CapabilityStatement": "url:uri version:string name:string title:string status!:code(draft|active|retired|unknown)"
    " date!:dateTime publisher:string description:markdown kind!:code(instance|capability|requirements)"
    " instantiates*:canonical software:{name!:string version:string releaseDate:dateTime}"
    " implementation:{description!:string url:url custodian:Reference} fhirVersion!:code(4.0.1) format+:code"
    " patchFormat*:code implementationGuide*:canonical rest*:{mode!:code(client|server) documentation:markdown"
    " security:{cors:boolean service*:CodeableConcept description:markdown} resource*:{type!:code profile:canonical"
    " supportedProfile*:canonical documentation:markdown interaction*:{code!:code(read|vread|update|patch|delete"
    "|history-instance|history-type|create|search-type) documentation:markdown}"
    " versioning:code(no-version|versioned|versioned-update) readHistory:boolean updateCreate:boolean"
    " conditionalCreate:boolean conditionalRead:code(not-supported|modified-since|not-match|full-support)"
    " conditionalUpdate:boolean conditionalDelete:code searchInclude*:string searchRevInclude*:string"
    " searchParam*:{name!:string definition:canonical type!:code(number|date|string|token|reference|composite|quantity"
    "|uri|special) documentation:markdown}} interaction*:{code!:code(transaction|batch|search-system|history-system)"
    " documentation:markdown}}",
}
_BASE = "id:id meta:Meta implicitRules:uri language:code text:Narrative contained*:Resource extension*:Extension"
_WORD = re.compile(r"(?P<name>_?[A-Za-z]+)(?P<choice>\[x\])?(?P<many>[+*!]?):")


class _Element:
    """name → type of each way it may be written; `least`, `many`."""

    def __init__(self, name: str, names: dict[str, Any], many: str) -> None:
        self.name, self.names, self.least, self.many = name, names, many in ("+", "!"), many in ("+", "*")


def _parsed(text: str) -> list[_Element]:
    found, place = [], 0
    while (place := len(text) - len(text[place:].lstrip())) < len(text):
        word = _WORD.match(text, place)
        assert word is not None, text[place : place + 40]
        place = word.end()
        if text[place] == "{":
            end = _closing(text, place)
            kind: Any = _parsed(text[place + 1 : end])
            place = end + 1
        else:
            end = _end_of_type(text, place)
            kind, place = text[place:end], end
        name = word["name"]
        names = {name + t[0].upper() + t[1:]: t for t in kind.split("|")} if word["choice"] else {name: kind}
        found.append(_Element(name, names, word["many"]))
    return found


def _closing(text: str, place: int) -> int:
    depth = 0
    for at in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return at
    raise AssertionError(text)


def _end_of_type(text: str, place: int) -> int:
    inside = False
    for at in range(place, len(text)):
        inside = (inside or text[at] == "(") and text[at] != ")"
        if text[at] == " " and not inside:
            return at
    return len(text)


_SHAPES = {name: _parsed(text) for name, text in {**_TYPES, **_RESOURCES}.items()}
_COMMON = _parsed(_BASE)
_EXTENDED = _parsed("id:string extension*:Extension")


def faults(resource: Any) -> list[str]:
    """What is wrong with a resource, each with where."""
    return [*_resource(resource, str(resource.get("resourceType", "?"))), *_invariants(resource)]


def _resource(resource: Any, where: str) -> Iterator[str]:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind not in _RESOURCES:
        yield f"{where}: no resource we know: {kind}"
        return
    told = {name: value for name, value in resource.items() if name != "resourceType"}
    yield from _object(told, [*_COMMON, *_SHAPES[kind]], where)


def _object(value: Any, shape: list[_Element], where: str) -> Iterator[str]:
    if not isinstance(value, dict) or not value:
        yield f"{where}: not an object with something in it"
        return
    known = {name for element in shape for name in element.names}
    yield from (f"{where}.{name}: no such element" for name in value if name not in known)
    for element in shape:
        there = [name for name in element.names if name in value]
        if element.least and not there:
            yield f"{where}.{element.name}: missing"
        if len(there) > 1:
            yield f"{where}.{element.name}: {there} at once"
        for name in there:
            yield from _values(value[name], element.names[name], element.many, f"{where}.{name}")


def _values(value: Any, kind: Any, many: bool, where: str) -> Iterator[str]:
    if not many:
        yield from _value(value, kind, where)
    elif not isinstance(value, list) or not value:
        yield f"{where}: not a list with something in it"
    else:
        for place, one in enumerate(value):
            yield from _value(one, kind, f"{where}[{place}]")


def _value(value: Any, kind: Any, where: str) -> Iterator[str]:
    if isinstance(kind, list):
        yield from _object(value, [*_EXTENDED, *kind], where)
    elif kind == "Resource":
        yield from _resource(value, where)
    elif kind == "Any":
        return
    elif kind in _TYPES:
        yield from _object(value, [*_EXTENDED, *_SHAPES[kind]], where)
    elif not _primitive(value, kind):
        yield f"{where}: {value!r} is no {kind}"


def _primitive(value: Any, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "unsignedInt", "positiveInt"):
        least = {"unsignedInt": 0, "positiveInt": 1}.get(kind, -(2**31))
        return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31
    if kind == "decimal":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    allowed = re.fullmatch(r"code\((.*)\)", kind)
    if allowed:
        return value in allowed[1].split("|")
    return isinstance(value, str) and bool(re.fullmatch(_PRIMITIVES[kind], value)) and value == value.strip()


# ---- what no schema says ---------------------------------------------------------------------------------------------


def _invariants(resource: dict[str, Any]) -> Iterator[str]:
    kind = resource.get("resourceType")
    if kind == "Bundle":
        for entry in resource.get("entry", ()):
            yield from _invariants(entry.get("resource", {}))
        if "total" in resource and resource["type"] not in ("searchset", "history"):
            yield "bdl-1: total is of a search"
        urls = [entry["fullUrl"] for entry in resource.get("entry", ()) if "fullUrl" in entry]
        yield from (f"bdl-7: {url} twice" for url in {url for url in urls if urls.count(url) > 1})
        return
    contained = {f"#{one.get('id')}" for one in resource.get("contained", ())}
    used = {text for text in _references(resource) if text.startswith("#")}
    yield from (f"ref-1: {text} leads nowhere" for text in used - contained)
    yield from (f"dom-3: {text} is referred to by nothing" for text in contained - used)
    if kind == "Observation":
        for part in (resource, *resource.get("component", ())):
            if "dataAbsentReason" in part and any(name.startswith("value") for name in part):
                yield "obs-6: a value, and why there is none"
        yield from ("obs-3: an empty range" for one in resource.get("referenceRange", ()) if not one)
    if kind == "AllergyIntolerance" and "clinicalStatus" not in resource:
        yield "ait-1: no clinicalStatus"
    if kind == "Appointment":
        if ("start" in resource) != ("end" in resource):
            yield "app-2: a start and an end, or neither"
        if "start" not in resource and resource["status"] not in ("proposed", "cancelled", "waitlist"):
            yield "app-3: no time, and not proposed"
        if "cancelationReason" in resource and resource["status"] not in ("cancelled", "noshow"):
            yield "app-4: a reason for what was not cancelled"
    if kind == "Consent" and not ("policy" in resource or "policyRule" in resource):
        yield "ppc-1: neither policy nor policyRule"
    if kind == "Condition" and "abatementDateTime" in resource:
        codes = [one["code"] for one in resource["clinicalStatus"]["coding"]]
        yield from ("con-4: abated and active" for code in codes if code not in ("inactive", "resolved", "remission"))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
