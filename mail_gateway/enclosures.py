"""What a letter encloses, as files of a draft: attachments by their place in the raw mail, documents out of IHE_XDM
archives.

Promises: an attachment is not decoded here but for its first octets, by which its type is told; an archive is opened
in a thread, and every document of it is about the patient of the mailbox or the whole letter is refused (code 904 of
the MSSanté volet): a document never gets near the record of another person. An archive that cannot be read, or whose
documents cannot, is a file that says so, and nothing of it can be filed (security items 31, 33, 34, 35). Does not
file anything: that is the patient's gesture.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mail_gateway import cda, structure, xdm
from mail_gateway.documents import category, type_label
from mail_gateway.headers import decode_base64
from mail_gateway.malformed import Malformed
from mail_gateway.mime import Letter, Part
from mail_gateway.smtp_syntax import Refusal
from mail_gateway.sniff import OCTETS, sniff
from mail_gateway.structure import Node
from server.drafts import MAX_FILES, File, FileFacts

if TYPE_CHECKING:
    from server.people import Traits

MAX_DOCUMENTS: Final = 20  # of one archive
MAX_ATTACHED: Final = 40  # beside them; all together, and a text cut in two, are no more than MAX_FILES
_POOL: Final = ThreadPoolExecutor(2, thread_name_prefix="archives")  # two open at one time: each may hold 200 MB
_ENCODINGS: Final = frozenset(("base64", "quoted-printable"))
_ACTIVE: Final = ("text/html", "application/xhtml+xml", "image/svg+xml", "application/xml", "text/xml")
_EXTENSIONS: Final = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt"}
_MISMATCH: Final = "[904] Un document joint concerne une autre personne que le destinataire"
_HIDDEN: Final = "[906] Un document joint est marqué invisible au patient (INVISIBLE_PATIENT)"


@dataclass(frozen=True, slots=True)
class Document:
    """A document to be kept by itself: what is known of it, and the octets a person opens."""

    facts: FileFacts
    content: bytes


@dataclass(frozen=True, slots=True)
class Enclosed:
    """`files` stay in the raw mail; `documents` need a place of their own."""

    files: tuple[File, ...] = ()
    documents: tuple[Document, ...] = ()


async def enclosed(raw: bytes, root: Node, letter: Letter, ins: str, traits: Traits | None) -> Enclosed:
    """Everything attached. `ins`, `traits`: of the patient the mail is for. Raises `Refusal`, `Malformed`."""
    if not letter.attachments:
        return Enclosed()
    if len(letter.attachments) > MAX_ATTACHED:
        raise Refusal(552, "5.3.4", f"Trop de pièces jointes : {MAX_ATTACHED} au plus")
    files: list[File] = []
    documents: list[Document] = []
    for number, part in enumerate(letter.attachments, 1):
        node = structure.find(root, part.number)
        if node is None:
            continue
        damaged = ""
        if xdm.is_xdm(part.name, "zip"):
            loop = asyncio.get_running_loop()
            found, damaged = await loop.run_in_executor(_POOL, _open, raw, node, ins, traits)
            documents += found
        files.append(_file(raw, part, node, number, damaged))
    return Enclosed(tuple(files), tuple(documents[: MAX_FILES - 1 - len(files)]))


def has_archive(letter: Letter) -> bool:
    """Whether `enclosed` will want the traits."""
    return any(xdm.is_xdm(part.name, "zip") for part in letter.attachments)


def _file(raw: bytes, part: Part, node: Node, number: int, damaged: str) -> File:
    encoding = node.encoding if node.encoding in _ENCODINGS else "identity"
    announced = part.type
    found = sniff(_head(raw, node))
    kind = announced if found in (OCTETS, "text/plain") and announced not in _ACTIVE else found
    name = part.name or f"piece-jointe-{number}{_EXTENSIONS.get(kind, '')}"
    facts = FileFacts(name=name, type=kind, size=part.size, damaged=damaged)
    return File(facts, part=f"{encoding}:{node.body_start}:{node.body_end}")


def _head(raw: bytes, node: Node) -> bytes:
    """The first octets of a part, decoded."""
    start = raw[node.body_start : min(node.body_end, node.body_start + 6000)]
    if node.encoding == "base64":
        return decode_base64(start[: start.rfind(b"\n")] if len(start) == 6000 else start)
    return structure.decode(raw, node)[:4096] if node.encoding == "quoted-printable" else start


def _open(raw: bytes, node: Node, ins: str, traits: Traits | None) -> tuple[list[Document], str]:
    """(documents, why there are none). Raises `Refusal` when a document is not this patient's to see."""
    try:
        package = xdm.open_xdm(structure.decode(raw, node))
        headers = [cda.read_header(item.content) if _is_cda(item) else None for item in package.documents]
    except Malformed as error:
        return [], error.detail
    _same_person(package, headers, ins, traits)
    if package.action == "delete":
        return [], "L’expéditeur demande le retrait de ce document."
    return [
        _document(item, header) for item, header in zip(package.documents, headers, strict=True) if _shown(item, header)
    ][:MAX_DOCUMENTS], ""


def _is_cda(item: xdm.XdmDocument) -> bool:
    return item.mime_type in ("text/xml", "application/xml", "")


def _same_person(package: xdm.XdmPackage, headers: list[cda.CdaHeader | None], ins: str, traits: Traits | None) -> None:
    marks = [mark for item in package.documents for mark in item.confidentiality]
    marks += [mark for header in headers if header is not None for mark in header.confidentiality]
    if "INVISIBLE_PATIENT" in marks:
        raise Refusal(550, "5.6.0", _HIDDEN)
    if package.patient.ins.upper() != ins:
        raise Refusal(550, "5.6.0", _MISMATCH)
    for header in headers:
        if header is None:
            continue
        patient = header.patient
        if patient.ins and patient.ins != ins:
            raise Refusal(550, "5.6.0", _MISMATCH)
        if traits is not None and (
            (patient.birth_name and _plain(patient.birth_name) != _plain(traits.birth_name))
            or (patient.birth_date and patient.birth_date.isoformat() != traits.birth_date)
        ):
            raise Refusal(550, "5.6.0", _MISMATCH)


def _plain(name: str) -> str:
    """Letters only, without accents nor case: PAT-TROIS and Pat Trois are one name (référentiel INS)."""
    return "".join(char for char in unicodedata.normalize("NFKD", name.casefold()) if char.isalpha())


def _shown(item: xdm.XdmDocument, header: cda.CdaHeader | None) -> bool:
    """Technical documents are nobody's reading."""
    return bool(category(header.type_code if header else item.type_code, item.class_code))


def _document(item: xdm.XdmDocument, header: cda.CdaHeader | None) -> Document:
    """The document as a person opens it: the PDF a CDA carries, when it carries one; else the file itself."""
    content, kind = item.content, sniff(item.content)
    if header is not None:
        inner = cda.n1_body(item.content)
        copy = inner[1] if inner is not None and inner[0] in _EXTENSIONS else cda.pdf_copy(item.content)
        if copy:
            content, kind = copy, sniff(copy)
    code = header.type_code if header else item.type_code
    label = type_label(code) or (header.type_label if header else "")
    title = (header.title if header else "") or item.title or label
    created = (header.effective if header else None) or item.created
    name = item.path.rpartition("/")[2]
    if content is not item.content:
        name = (title or name.rpartition(".")[0]) + _EXTENSIONS.get(kind, "")
    author = header.authors[0] if header and header.authors else None
    return Document(
        FileFacts(
            name=name.replace("/", "-")[:200],
            type=kind,
            size=len(content),
            title=title[:300],
            document_type=code,
            document_label=label,
            category=category(code, item.class_code),
            author=(author.name if author else "") or item.author,
            organisation=(author.organisation if author else "") or item.organisation,
            created=created.isoformat() if created else "",
            unique_id=(header.id if header else "") or item.unique_id,
            inner=item.path,
        ),
        content,
    )
