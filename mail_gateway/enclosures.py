"""What a letter encloses, as files of a draft: attachments by their place in the raw mail, documents out of IHE_XDM
archives, and health documents attached by themselves.

Promises: an attachment is not decoded here but for its first octets, by which its type is told; archives and health
documents are read in a process apart (`parser_process`), and every document is about the patient of the mailbox or
the whole letter is held (`identity`): a document never gets near the record of another person. An archive that cannot
be read, or whose documents cannot, is a file that says so, and nothing of it can be filed (security items 31, 33-36).
What does not fit into a message is refused with the number that does. Does not file anything: that is the patient's
gesture.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from mail_gateway import identity, structure
from mail_gateway.headers import clean, decode_base64
from mail_gateway.lineage import Followed
from mail_gateway.mime import Letter
from mail_gateway.parts import Part
from mail_gateway.smtp_syntax import Refusal
from mail_gateway.structure import Node
from server import people
from server.dossier import filing
from server.dossier.about import Recipient
from server.drafts import MAX_FILES, File, FileFacts
from server.formats import xdm
from server.formats.package import Package, Paper, Parcel
from server.formats.parser_process import PARSERS, WORKERS
from server.formats.sniff import OCTETS, sniff
from server.handles import SpaceHandle
from storage import delegations
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App

MAX_ATTACHED: Final = 40  # all together, documents and a text cut in two too, are no more than MAX_FILES
MAX_DOCUMENTS: Final = MAX_FILES - 1  # with what is attached
MAJORITY: Final = 18  # years (Code civil, art. 414)
_WAITING: Final = ThreadPoolExecutor(WORKERS, thread_name_prefix="archives")  # they wait for the parsers
_ENCODINGS: Final = frozenset(("base64", "quoted-printable"))
_ACTIVE: Final = ("text/html", "application/xhtml+xml", "image/svg+xml", "application/xml", "text/xml")
_EXTENSIONS: Final = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt"}
_WITHDRAWAL: Final = "L’expéditeur demande le retrait d’un document qu’il a envoyé."


@dataclass(frozen=True, slots=True)
class Enclosed:
    """`files`: those of the draft. `followed`: the health documents among them, and those that withdraw another."""

    files: tuple[File, ...] = ()
    followed: tuple[Followed, ...] = ()


async def enclosed(
    app: App, raw: bytes, root: Node, letter: Letter, ins: str, space: SpaceHandle, *, established: bool = False
) -> Enclosed:
    """Everything attached to a letter for the patient of `space`. `established`: somebody looked, and the documents
    are this patient's whatever they say. Raises `Refusal`, `Held`, `OSError`.
    """
    if len(letter.attachments) > MAX_ATTACHED:
        raise Refusal(552, "5.3.4", f"Trop de pièces jointes : {MAX_ATTACHED} au plus")
    files: list[File] = []
    papers: list[Paper] = []
    followed: list[Followed] = []
    for number, part in enumerate(letter.attachments, 1):
        node = structure.find(root, part.number)
        if node is None:
            continue
        kind = _kind(letter, part, node, raw)
        package = await _unpacked(raw, node, kind) if kind else Package(foreign=True)
        if not package.foreign:
            identity.check(package, await _recipient(app, ins, space), established=established)
        alone = package.papers[0] if kind == "document" and package.papers else None
        files.append(_file(raw, part, node, number, package, alone))
        if alone is not None:
            followed.append(Followed(files[-1].id, alone.lineage))
        else:
            papers += package.papers
    shown = [paper for paper in papers if paper.category and paper.lineage.action != "delete"]
    if len(files) + len(shown) > MAX_DOCUMENTS:
        raise Refusal(552, "5.3.4", f"Trop de documents : {MAX_DOCUMENTS} au plus, pièces jointes comprises")
    followed += [Followed("", paper.lineage) for paper in papers if paper.lineage.action == "delete"]
    for paper in shown:
        files.append(await _kept(app, space, filing.facts_of(paper), paper.content))
        followed.append(Followed(files[-1].id, paper.lineage))
    for image in _images(shown)[: MAX_DOCUMENTS - len(files)]:
        files.append(await _kept(app, space, *image))
    return Enclosed(tuple(files), tuple(followed))


async def _kept(app: App, space: SpaceHandle, facts: FileFacts, content: bytes) -> File:
    return File(facts, await app.blobs.put(space.keys, content), id=new_id())


def has_archive(letter: Letter) -> bool:
    """Whether it brings documents in the form that is agreed for them."""
    return any(xdm.is_xdm(part.name, "zip") for part in letter.attachments)


async def _recipient(app: App, ins: str, space: SpaceHandle) -> Recipient:
    def find(tx: Tx) -> Recipient:
        traits = people.traits(app, tx, space.space_id)
        represented = delegations.represented(tx, space.space_id) or (traits is not None and _minor(traits.birth_date))
        oids = frozenset(app.settings.ins_oids.split(","))
        return Recipient(ins, traits, represented, oids, app.settings.strict_ins_key)

    return await app.db.read(find)


def _minor(birth_date: str) -> bool:
    """Who is read for by their parents, or will be as soon as one of them signs in."""
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return False
    today = date.today()  # noqa: DTZ011 - the day where the server stands, as in a register
    return (today.year - born.year - ((today.month, today.day) < (born.month, born.day))) < MAJORITY


def _kind(letter: Letter, part: Part, node: Node, raw: bytes) -> str:
    """archive, document, or "" for what is neither. A letter whose subject announces documents has them in its archive,
    whatever that is called.
    """
    announced = letter.subject.startswith(xdm.SUBJECT) and sniff(_head(raw, node)) == "application/zip"
    if announced or xdm.is_xdm(part.name, "zip"):
        return "archive"
    xml = "xml" in part.type or part.name.casefold().endswith(".xml")
    return "document" if xml and _head(raw, node).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else ""


async def _unpacked(raw: bytes, node: Node, kind: str) -> Package:
    body = raw[node.body_start : node.body_end]
    parcel = Parcel("archive" if kind == "archive" else "document", node.encoding, body)
    return await asyncio.get_running_loop().run_in_executor(_WAITING, PARSERS.unpack, parcel)


def _file(raw: bytes, part: Part, node: Node, number: int, package: Package, alone: Paper | None) -> File:
    """An attachment where it lies in the raw mail. `alone`: the health document it is."""
    encoding = node.encoding if node.encoding in _ENCODINGS else "identity"
    place = f"{encoding}:{node.body_start}:{node.body_end}"
    announced = part.type
    found = sniff(_head(raw, node))
    kind = announced if found in (OCTETS, "text/plain") and announced not in _ACTIVE else found
    name = part.name or f"piece-jointe-{number}{_EXTENSIONS.get(kind, '')}"
    if alone is not None:
        return File(filing.facts_of(alone, name, part.size), part=place, id=new_id())
    withdraws = any(paper.lineage.action == "delete" for paper in package.papers)
    facts = FileFacts(
        name, kind, part.size, damaged=package.damaged or part.unread, note=_WITHDRAWAL if withdraws else ""
    )
    return File(facts, part=place)


def _head(raw: bytes, node: Node) -> bytes:
    """The first octets of a part, decoded."""
    start = raw[node.body_start : min(node.body_end, node.body_start + 6000)]
    if node.encoding == "base64":
        return decode_base64(start[: start.rfind(b"\n")] if len(start) == 6000 else start)
    return structure.decode(raw, node)[:4096] if node.encoding == "quoted-printable" else start


def _images(papers: list[Paper]) -> list[tuple[FileFacts, bytes]]:
    """The pictures that a document refers to and that reading it does not show."""
    found = []
    for paper in papers:
        for number, (kind, content) in enumerate(paper.images, 1):
            name = f"{paper.title[:150]} - image {number}{_EXTENSIONS.get(kind, '')}".replace("/", "-")
            found.append((FileFacts(clean(name), kind, len(content), inner=paper.inner), content))
    return found
