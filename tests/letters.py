"""Letters for the tests: built here, by other means than the ones under test, about the people of the demo.

Nothing of the ANS's example files is copied (their licence is not stated); what is built has their shape. Everything is
deterministic: the same call gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

DOMINIQUE = "279035121518989"
CAMILLE = "219067505611793"
MARCEL = "150017505604274"
TEST_OID = "1.2.250.1.213.1.4.10"
MOREL = ("Dr Agathe MOREL", "agathe.morel@pli.example")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

Who = str | tuple[str, str]
Attached = tuple[str, str, bytes]  # name, media type, bytes


def plain(
    text: str = "Bonjour,\nmerci de venir à jeun.\nDr Morel",
    *,
    from_: Who = MOREL,
    to: Who | list[Who] = f"{DOMINIQUE}@patient.pli.example",
    subject: str = "Préparation de votre admission",
    message_id: str = "<1@pli.example>",
    in_reply_to: str = "",
    references: str = "",
    date: datetime = NOON,
    html: str = "",
    headers: dict[str, str] | None = None,
    files: list[Attached] | None = None,
) -> bytes:
    """A mail as an ordinary client writes it, with CRLF. `headers` adds fields, X-MSS-MES for instance."""
    return _bytes(_message(text, from_, to, subject, message_id, in_reply_to, references, date, html, headers, files))


def with_attachments(*files: Attached, **letter: object) -> bytes:
    """The same with files; without any, a valid PDF. Takes the named arguments of `plain`."""
    attached = list(files) or [("consignes.pdf", "application/pdf", pdf("A jeun depuis minuit"))]
    return plain(**letter, files=attached)  # type: ignore[arg-type]  # the arguments of plain, passed on


def invitation(
    *,
    uid: str = "rendez-vous-1@pli.example",
    summary: str = "Consultation d’anesthésie",
    start: datetime = datetime(2026, 12, 1, 9, 0, tzinfo=UTC),
    end: datetime = datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
    method: str = "REQUEST",
    sequence: int = 0,
    organizer: tuple[str, str] = MOREL,
    attendee: tuple[str, str] = ("Dominique PAT-TROIS", f"{DOMINIQUE}@patient.pli.example"),
    location: str = "CHU de Pli, bâtiment B",
    **letter: object,
) -> bytes:
    """An appointment by mail (iMIP): text and text/calendar as alternatives. Takes the named arguments of `plain`
    too.
    """
    message = _message(
        **{
            "text": f"{summary}\n{location}",
            "from_": organizer,
            "to": attendee,
            "subject": f"Invitation : {summary}",
            "message_id": f"<{uid}>",
            **letter,
        }  # type: ignore[arg-type]
    )
    calendar = ics(uid, summary, start, end, method, sequence, organizer, attendee, location)
    message.add_alternative(calendar, subtype="calendar", params={"method": method})
    return _bytes(message)


def ics(
    uid: str = "rendez-vous-1@pli.example",
    summary: str = "Consultation d’anesthésie",
    start: datetime = datetime(2026, 12, 1, 9, 0, tzinfo=UTC),
    end: datetime = datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
    method: str = "REQUEST",
    sequence: int = 0,
    organizer: tuple[str, str] = MOREL,
    attendee: tuple[str, str] = ("Dominique PAT-TROIS", f"{DOMINIQUE}@patient.pli.example"),
    location: str = "CHU de Pli, bâtiment B",
    extra: str = "",
) -> str:
    """The iCalendar text of an appointment; `extra` is put into the event as it is (lines ended by CRLF)."""

    def text(value: str) -> str:
        return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")

    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Cabinet Morel//FR\r\n"
        f"METHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n"
        f"DTSTAMP:{NOON:%Y%m%dT%H%M%SZ}\r\nSEQUENCE:{sequence}\r\n"
        f"DTSTART:{start.astimezone(UTC):%Y%m%dT%H%M%SZ}\r\nDTEND:{end.astimezone(UTC):%Y%m%dT%H%M%SZ}\r\n"
        f'SUMMARY:{text(summary)}\r\nLOCATION:{text(location)}\r\nORGANIZER;CN="{organizer[0]}":mailto:{organizer[1]}\r\n'
        f'ATTENDEE;CN="{attendee[0]}";PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{attendee[1]}\r\n'
        f"{extra}STATUS:CONFIRMED\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def pdf(text: str = "Pli") -> bytes:
    """A valid one-page PDF of some 600 bytes that shows a line of ASCII text."""
    shown = text.encode("ascii", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    content = b"BT /F1 18 Tf 72 760 Td (" + shown + b") Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def cda(
    *,
    ins: str = DOMINIQUE,
    oid: str = TEST_OID,
    title: str = "Compte rendu d’examens biologiques",
    type_code: str = "11502-2",
    document_id: str = "1.2.250.1.213.1.1.1.55.2026.1.1",
    set_id: str = "1.2.250.1.213.1.1.1.55.2026.1",
    version: int = 1,
    replaces: str = "",
    effective: str = "20261120101500+0100",
    confidentiality: tuple[str, ...] = ("N",),
    birth_name: str = "PAT-TROIS",
    given: str = "DOMINIQUE",
    birth_date: str = "19790328",
    sex: str = "F",
    birth_place: str = "51215",
    author: tuple[str, str, str] = ("Marcel", "CAMPARINI", "801234534765"),
    organisation: str = "Laboratoire de Pli",
    body: bytes | None = None,
    media_type: str = "application/pdf",
    narrative: str = "Glycémie 0,92 g/L",
) -> bytes:
    """A CDA R2 of the French header. `body` bytes make it level 1 (by default a PDF); b"" makes it structured."""
    if body is None:
        body = pdf(title)
    parent = (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root={quoteattr(replaces)}/></parentDocument>'
        "</relatedDocument>"
        if replaces
        else ""
    )
    content = (
        f'<nonXMLBody><text mediaType="{media_type}" representation="B64">'
        f"{base64.encodebytes(body).decode()}</text></nonXMLBody>"
        if body
        else '<structuredBody><component><section><code code="18725-2" codeSystem="2.16.840.1.113883.6.1"/>'
        f"<title>Résultats</title><text>{escape(narrative)}</text></section></component></structuredBody>"
    )
    marks = "".join(
        f'<confidentialityCode code="{code}" codeSystem="2.16.840.1.113883.5.25"/>' for code in confidentiality
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/><templateId root="1.2.250.1.213.1.1.1.1"/>
<id root={quoteattr(document_id)}/><code code={quoteattr(type_code)} codeSystem="2.16.840.1.113883.6.1"/>
<title>{escape(title)}</title><effectiveTime value="{effective}"/>{marks}<languageCode code="fr-FR"/>
<setId root={quoteattr(set_id)}/><versionNumber value="{version}"/>
<recordTarget><patientRole><id extension="0042" root="1.2.3.4.5"/><id extension="{ins}" root="{oid}"/><patient>
<name><family qualifier="BR">{escape(birth_name)}</family><given>{escape(given)}</given>
<given qualifier="BR">{escape(given)}</given></name>
<administrativeGenderCode code="{sex}"/><birthTime value="{birth_date}"/>
<birthplace><place><addr><county>{birth_place}</county></addr></place></birthplace></patient></patientRole></recordTarget>
<author><time value="{effective}"/><assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="{author[2]}"/>
<code code="G15_10/SM03" displayName="Médecin - Biologie médicale (SM)"/><assignedPerson><name><prefix>M</prefix>
<given>{escape(author[0])}</given><family>{escape(author[1])}</family><suffix>DR</suffix></name></assignedPerson>
<representedOrganization><name>{escape(organisation)}</name></representedOrganization></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id root="1.2.250.1.71.4.2.2" extension="1120459876"/>
<name>{escape(organisation)}</name></representedCustodianOrganization></assignedCustodian></custodian>
{parent}<component>{content}</component>
</ClinicalDocument>
""".encode()


def xdm_zip(
    *,
    ins: str = DOMINIQUE,
    oid: str = TEST_OID,
    title: str = "Compte rendu d’examens biologiques",
    type_code: str = "11502-2",
    document_id: str = "1.2.250.1.213.1.1.1.55.2026.1.1",
    documents: list[bytes] | None = None,
    action: str = "",
    damage: bool = False,
    metadata_ins: str = "",
    **header: object,
) -> bytes:
    """An IHE_XDM.ZIP with one CDA made by `cda` (or `documents`). `action` C or D: a correction, a deletion. `damage`
    announces the hash of other bytes. `metadata_ins`: another patient in METADATA.XML than in the CDA.
    """
    if documents is None:
        made = cda(ins=ins, oid=oid, title=title, type_code=type_code, document_id=document_id, **header)  # type: ignore[arg-type]
        documents = [made]
    names = [f"DOC{number:04}.XML" for number in range(1, len(documents) + 1)]
    described = "".join(
        _described(
            content, name, metadata_ins or ins, oid, title, type_code, f"{document_id}{'.x' * place}", action, damage
        )
        for place, (content, name) in enumerate(zip(documents, names, strict=True))
    )
    patient = quoteattr(f"{metadata_ins or ins}^^^&{oid}&ISO^NH")
    metadata = f"""   <lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0">
<RegistryObjectList xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><RegistryPackage id="set01">
{_slot("submissionTime", "20261120101600")}{_author("urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d")}
<ExternalIdentifier identificationScheme="urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446" value={patient}/>
</RegistryPackage>{described}</RegistryObjectList></lcm:SubmitObjectsRequest>"""
    files = [
        ("INDEX.HTM", b"<html><body>Laboratoire de Pli</body></html>"),
        ("README.TXT", b"Laboratoire de Pli\r\n"),
        *((f"IHE_XDM/SUBSET01/{name}", content) for name, content in zip(names, documents, strict=True)),
        ("IHE_XDM/SUBSET01/METADATA.XML", metadata.encode()),
    ]
    return archive(files, folders=("IHE_XDM/", "IHE_XDM/SUBSET01/"))


def archive(files: list[tuple[str, bytes]], folders: tuple[str, ...] = ()) -> bytes:
    """A zip of these files, the same bytes each time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in folders:
            zipped.writestr(zipfile.ZipInfo(name, (2026, 11, 20, 10, 16, 0)), b"")
        for name, content in files:
            info = zipfile.ZipInfo(name, (2026, 11, 20, 10, 16, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, content)
    return out.getvalue()


def _message(
    text: str,
    from_: Who,
    to: Who | list[Who],
    subject: str,
    message_id: str,
    in_reply_to: str = "",
    references: str = "",
    date: datetime = NOON,
    html: str = "",
    headers: dict[str, str] | None = None,
    files: list[Attached] | None = None,
) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(from_)
    message["To"] = [_address(who) for who in (to if isinstance(to, list) else [to])]
    message["Subject"] = subject
    message["Date"] = format_datetime(date)
    if message_id:
        message["Message-ID"] = message_id
    if in_reply_to:
        message["In-Reply-To"] = in_reply_to
    if references or in_reply_to:
        message["References"] = references or in_reply_to
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, media_type, data in files or ():
        maintype, _, subtype = media_type.partition("/")
        message.add_attachment(data, maintype=maintype, subtype=subtype, filename=name)
    return message


def _bytes(message: EmailMessage) -> bytes:
    """With boundaries of ours: the library draws its own by lot."""
    seed = hashlib.sha256(f"{message['Message-ID']}{message['Subject']}".encode()).hexdigest()[:16]
    for depth, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"----pli-{depth}-{seed}")
    return message.as_bytes(policy=SMTP)


def _address(who: Who) -> Address:
    name, address = ("", who) if isinstance(who, str) else who
    return Address(name, addr_spec=address)


def _slot(name: str, *values: str) -> str:
    inside = "".join(f"<Value>{escape(value)}</Value>" for value in values)
    return f'<Slot name="{name}"><ValueList>{inside}</ValueList></Slot>'


def _coded(scheme: str, code: str) -> str:
    return f'<Classification classificationScheme="urn:uuid:{scheme}" nodeRepresentation={quoteattr(code)}/>'


def _author(scheme: str) -> str:
    person = _slot("authorPerson", "801234534765^CAMPARINI^Marcel^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS")
    institution = _slot("authorInstitution", "Laboratoire de Pli^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1120459876")
    return (
        f'<Classification classificationScheme="{scheme}" nodeRepresentation="">{institution}{person}</Classification>'
    )


def _described(
    content: bytes,
    name: str,
    ins: str,
    oid: str,
    title: str,
    type_code: str,
    document_id: str,
    action: str,
    damage: bool,
) -> str:
    sha1 = hashlib.sha1(content + b" " * damage, usedforsecurity=False).hexdigest().upper()
    patient = quoteattr(f"{ins}^^^&{oid}&ISO^NH")
    changed = _slot("urn:action:extraMetadataSlot", action) if action else ""
    return f"""<ExtrinsicObject mimeType="text/xml" id="doc-{name}"
objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">
{changed}{_slot("hash", sha1)}{_slot("size", str(len(content)))}
{_slot("URI", name)}{_slot("creationTime", "20261120091500")}{_slot("languageCode", "fr-FR")}
<Name><LocalizedString value={quoteattr(title)}/></Name>{_author("urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d")}
{_coded("41a5887f-8865-4c09-adf7-e362475b143a", "10")}{_coded("f0306f51-975f-434e-a61c-c59651d33983", type_code)}
{_coded("f4f85eac-e6cb-4883-b524-f2705394840f", "N")}
{_coded("a09d5840-386c-46f2-b5ad-9c3699a4309d", "urn:ihe:iti:xds-sd:pdf:2008")}
<ExternalIdentifier identificationScheme="urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427" value={patient}/>
<ExternalIdentifier identificationScheme="urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
value={quoteattr(document_id)}/></ExtrinsicObject>"""
