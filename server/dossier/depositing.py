"""A professional, a team's software or a laboratory deposits a document in a patient's dossier, replaces or withdraws
their own.

    octets + facts + marks  →  the document is about this patient  →  one transaction: the document, its findings, the
    one it replaces, an audit row, what is owed later · a line in « Votre espace », unless it must not be told

Promises: needs no leave to read, and gives none (CSP R.1111-47: who is blocked may still deposit); a CDA about somebody
else is refused; only the account that deposited a document replaces or withdraws it; a replaced one stays, marked so
(CI-SIS, ITI-41 RPLC); nothing is said of what is untold, or of a minor's secret, where those it is kept from read.

What must first be told (`untold`) is owed its reminder and its release at the deposit (`announcing`). A document that
came by letter is corrected or withdrawn by letter (`mail_gateway.lineage`). The patient's own: `shelf` of the pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit, people, space_news
from server.audit import Act
from server.dossier import about, announcing, filing
from server.dossier import documents as shelf
from server.dossier.about import Recipient
from server.dossier.filing import XML, Filing
from server.dossier.habilitation import HIDDEN, MARKS, RESTRICTED, SECRET, UNTOLD
from server.dossier.visibility import both
from server.drafts import MAX_FILES_SIZE, FileFacts
from server.errors import Conflict, Invalid, NotAllowed, Refused, TooLarge
from server.formats import document_types
from server.formats.package import Paper
from server.formats.sniff import sniff
from server.handles import DossierHandle, SpaceHandle
from storage import accounts, delegations, documents, visibilities
from storage.database import Tx
from storage.documents import Document
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

KINDS: Final = frozenset({"application/pdf", "image/jpeg", "image/png", "image/tiff", "text/plain", "application/rtf"})
CODES: Final = {mark: code for code, mark in MARKS.items() if mark != RESTRICTED}  # mark → JDV_J08
NEVER: Final = frozenset({"60", "90", "99"})  # classes: the health insurance's, the patient's own, technical
TYPES: Final = tuple(  # what may be deposited
    sorted(
        code
        for code in document_types.TYPES
        if document_types.class_code(code) not in NEVER and not code.startswith("DOCPAT")
    )
)
_WRONG: Final = {
    about.SOMEBODY_ELSE: "Ce document concerne une autre personne : rien n’a été déposé.",
    about.NOBODY: "Ce document ne dit pas de quel patient il parle : rien n’a été déposé.",
    about.INCOMPLETE: "Ce document n’a pas les traits d’identité complets de son patient : rien n’a été déposé.",
}


@dataclass(slots=True)
class _Deposit:
    """What the transaction works with; it may run twice, and keeps of itself only what the last run found."""

    app: App
    to: SpaceHandle
    filing: Filing
    replaces: str
    chain: tuple[str, str]  # (unique id it replaces, set) as a CDA names them
    document: str = field(default="", init=False)

    def run(self, tx: Tx) -> None:
        to, at, me = self.to, now_ms(), self.to.actor.account_id
        confirm(tx, to)
        older = _own(tx, to, self.replaces) if self.replaces else self._older(tx)
        try:
            ready = replace(self.filing, apart=self._apart(tx))
            self.document = filing.file(tx, self.app.vault, to.keys, ready, me, at)
        except Conflict as error:
            raise Conflict("deposited_before", "Ce document est déjà dans ce dossier.") from error
        audit.record(tx, Act.DOCUMENT_ADDED, to.actor, to.space_id, to.ground, self.document)
        if older is not None and not documents.outdate(tx, to.space_id, older.id, "replaced", self.document):
            raise Conflict("already_replaced", "Ce document a déjà été remplacé ou retiré.")
        if CODES[UNTOLD] in self.filing.facts.confidentiality:
            announcing.owe(tx, to.keys, self.document, at)

    def _apart(self, tx: Tx) -> str:
        """The account, when the same document is here from others alone and it may see none of theirs: that it is here
        is not told. "" else: it is filed once.
        """
        to, digest = self.to, filing.hashed(self.app.vault, self.to.space_id, "document-content", self.filing.digest)
        same = documents.alike(tx, to.space_id, "content_hash", digest)
        me = to.actor.account_id
        if not same or any(row.author_id == me for row in same):
            return ""
        seen = {item.row.id for item in shelf.seen(tx, to)} if isinstance(to, DossierHandle) else set()
        return "" if any(row.id in seen for row in same) else me

    def _older(self, tx: Tx) -> Document | None:
        """The version that a CDA says it replaces, when the same account deposited it."""
        vault, space_id, version = self.app.vault, self.to.space_id, self.filing.facts.version
        named = filing.hashed(vault, space_id, "document-id", self.chain[0])
        found = documents.alike(tx, space_id, "id_hash", named)
        alike = documents.alike(tx, space_id, "set_hash", filing.hashed(vault, space_id, "document-set", self.chain[1]))
        found += [one for one in alike if one.version < version]
        me = self.to.actor.account_id
        mine = (one for one in found if one.author_id == me and one.state == "current" and not one.attachment_id)
        return next(mine, None)

    def effect(self, doing: Doing) -> None:
        self.run(doing.tx)


async def deposit(
    app: App, to: SpaceHandle, facts: FileFacts, data: bytes, marks: frozenset[str] = frozenset(), replaces: str = ""
) -> str:
    """Deposit a document; returns its id. `to`: of `access.patient` or `access.record_of`. `facts`: its name, and of
    what is no CDA its title, `document_type` and `created`. `marks`: of hidden, untold, secret. `replaces`: the id of
    one's own document.

    Raises `Refused`, `NotAllowed`, `Invalid`, `TooLarge`, `Conflict` (`deposited_before`, `already_replaced`).
    """
    doing = await _ready(app, to, facts, data, marks, replaces)
    told, by = doing.filing.facts, to.actor.name
    name = told.title or told.name
    if replaces:
        line = f"{by} a remplacé « {name} » dans votre dossier. L’ancienne version y reste, marquée ainsi."
        line_en = f"{by} replaced “{name}” in your record. The earlier version stays there, marked so."
    else:
        line, line_en = f"{by} a déposé « {name} » dans votre dossier.", f"{by} added “{name}” to your record."
    await _tell(app, to, told, line, line_en, doing.run, doing.effect)
    return doing.document


async def deposit_all(
    app: App, to: SpaceHandle, papers: Sequence[tuple[FileFacts, bytes, frozenset[str], str]]
) -> list[str]:
    """Several (facts, octets, marks, replaces), all or none, told in one line; their ids, in order. Raises as
    `deposit`.
    """
    if len(papers) == 1:
        return [await deposit(app, to, *papers[0])]
    doings = [await _ready(app, to, *paper) for paper in papers]

    def run(tx: Tx) -> None:
        for doing in doings:
            doing.run(tx)

    kept = {CODES[UNTOLD], CODES[SECRET]}
    told = [one.filing.facts for one in doings if kept.isdisjoint(one.filing.facts.confidentiality)]
    names = ", ".join(f"« {one.title or one.name} »" for one in told[:5]) + ("…" if len(told) > 5 else "")
    line = f"{to.actor.name} a déposé dans votre dossier : {names}."
    line_en = f"{to.actor.name} added to your record: {names}."
    facts = told[0] if told else doings[0].filing.facts
    await _tell(app, to, facts, line, line_en, run, lambda doing: run(doing.tx))
    return [doing.document for doing in doings]


async def _ready(
    app: App, to: SpaceHandle, facts: FileFacts, data: bytes, marks: frozenset[str], replaces: str
) -> _Deposit:
    """Everything that is done outside the transaction. Raises as `deposit`."""
    if len(data) > MAX_FILES_SIZE:
        raise TooLarge("too_large", f"Le fichier est trop lourd ({MAX_FILES_SIZE // 1_048_576} Mo au plus).")
    await app.db.read(confirm, to)
    if sniff(data) in XML or data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        paper = await _health_document(app, to, data)
        told, chain = filing.facts_of(paper, facts.name, len(data)), (paper.lineage.replaces, paper.lineage.set_id)
    else:
        paper, told, chain = None, _described(to, facts, data), ("", "")
    told = msgspec.structs.replace(told, confidentiality=_codes(told, marks), extra=facts.extra)
    if told.document_type not in TYPES:
        raise Invalid("not_depositable", "Ce type de document ne se dépose pas ici.")
    own = await app.blobs.put(to.keys, data)
    ready = Filing(
        filing.fingerprinted(told, data),
        own.id,
        hashlib.sha256(data).hexdigest(),
        paper.findings if paper else (),
        own,
        set_id=chain[1],
        author_id=to.actor.account_id,
        organisation_id=to.actor.organisation_id,
        source="api",
    )
    return _Deposit(app, to, ready, replaces, chain)


async def withdraw(app: App, to: SpaceHandle, document_id: str) -> None:
    """Withdraw one's own document (« entered-in-error »): it counts no more, and that cannot be undone. Raises
    `Refused`, `NotAllowed`, `Conflict`.
    """

    def run(tx: Tx) -> None:
        confirm(tx, to)
        row = _own(tx, to, document_id)
        if not documents.outdate(tx, to.space_id, row.id, "deleted", ""):
            raise Conflict("already_replaced", "Ce document a déjà été remplacé ou retiré.")
        audit.record(tx, Act.DOCUMENT_REMOVED, to.actor, to.space_id, to.ground, document_id)

    def find(tx: Tx) -> FileFacts:
        row = _own(tx, to, document_id)
        facts = msgspec.json.decode(to.keys.open("document", row.id, row.facts), type=FileFacts)
        return msgspec.structs.replace(facts, confidentiality=tuple(_standing_codes(tx, to, row)))

    facts = await app.db.read(find)
    by, name = to.actor.name, facts.title or facts.name
    line = f"{by} a retiré « {name} » de votre dossier : ce document y était par erreur."
    line_en = f"{by} withdrew “{name}” from your record: it was there by mistake."
    await _tell(app, to, facts, line, line_en, run, lambda doing: run(doing.tx))


def confirm(tx: Tx, to: SpaceHandle) -> None:
    """May the actor deposit there? Again inside the write. Raises `Refused`, `NotAllowed`."""
    if isinstance(to, DossierHandle):
        access.confirm_record(tx, to)
    else:
        access.confirm(tx, to)
    if not may(tx, to):
        raise NotAllowed("no_depositor", "Seul un professionnel de santé, ou son logiciel, dépose dans un dossier.")


def may(tx: Tx, to: SpaceHandle) -> bool:
    """Whether the actor is one who feeds records (CSP L.1111-15): a health professional, a team, a laboratory's or a
    hospital's software; not a service of the catalogue, nor somebody without a health profession.
    """
    account = accounts.by_id(tx, to.actor.account_id)
    if account is None or account.kind not in access.WRITERS:
        return False
    if account.kind == "bot":
        return bool(account.organisation_id) and not account.organisation_id.startswith("service:")
    return account.kind == "team" or bool(account.profession)


def minor(tx: Tx, app: App, space_id: str) -> bool:
    """Whether somebody reads this dossier who is not its patient by law: for each document must be said whether they
    may (DMP EX_0.1-1100).
    """
    traits = people.traits(app, tx, space_id)
    of_age = people.majority(traits.birth_date) if traits else None
    return delegations.represented(tx, space_id) or (of_age is not None and now_ms() < of_age)


def _own(tx: Tx, to: SpaceHandle, document_id: str) -> Document:
    """A current document that this account deposited. Raises `Refused`, `NotAllowed`."""
    row = documents.document(tx, to.space_id, document_id)
    if row is None or row.author_id != to.actor.account_id:
        if isinstance(to, DossierHandle):
            shelf.one_seen(tx, to, document_id)  # what one may not see is not there
            raise NotAllowed("not_your_deposit", "Seul l’auteur d’un document peut le remplacer ou le retirer.")
        raise Refused
    if row.attachment_id:
        raise NotAllowed(
            "came_by_letter", "Ce document est arrivé par une lettre : corrigez-le ou retirez-le par une lettre."
        )
    if row.state != "current":
        raise Conflict("already_replaced", "Ce document a déjà été remplacé ou retiré.")
    return row


async def _health_document(app: App, to: SpaceHandle, data: bytes) -> Paper:
    """The one document that this CDA is, about this patient. Raises `Invalid`."""
    package = await filing.unpacked("document", data)
    if package.damaged or package.foreign or not package.papers:
        detail = package.damaged or "Ce fichier XML n’est pas un document de santé (CDA)."
        raise Invalid("not_a_cda", f"{detail.rstrip('.')}. Rien n’a été déposé.")
    wrong = about.problem(package, await app.db.read(_recipient, app, to))
    if wrong:
        raise Invalid(f"wrong_patient_{wrong}", _WRONG[wrong])
    return package.papers[0]


def _recipient(tx: Tx, app: App, to: SpaceHandle) -> Recipient:
    traits, settings = people.traits(app, tx, to.space_id), app.settings
    oids = frozenset(settings.ins_oids.split(","))
    return Recipient(traits.ins if traits else "", traits, False, oids, settings.strict_ins_key)


def _described(to: SpaceHandle, facts: FileFacts, data: bytes) -> FileFacts:
    """What its depositor says of a file that says nothing of itself. Raises `Invalid`."""
    kind = sniff(data)
    if kind not in KINDS:
        raise Invalid("bad_file", "Ce fichier n’est ni un PDF, ni une image, ni un texte, ni un CDA.")
    title = " ".join(facts.title.split())[:300]
    if not title:
        raise Invalid("no_title", "Donnez un titre à ce document.")
    try:
        acted = datetime.fromisoformat(facts.created).date()
    except ValueError:
        raise Invalid("no_act_date", "Dites la date de l’acte.") from None
    if not date(1900, 1, 1) <= acted <= datetime.now().astimezone().date():
        raise Invalid("bad_act_date", "La date de l’acte est dans le futur, ou trop ancienne.")
    code = facts.document_type
    return FileFacts(
        name=facts.name,
        type=kind,
        size=len(data),
        title=title,
        document_type=code,
        document_label=document_types.type_label(code),
        category=document_types.category(code),
        author=facts.author or to.actor.name,
        organisation=facts.organisation or to.actor.organisation,
        created=facts.created,
        unique_id=facts.unique_id,
        class_code=document_types.class_code(code),
        received_class=facts.received_class,
        confidentiality=facts.confidentiality,
        version=facts.version,
    )


def _codes(facts: FileFacts, marks: frozenset[str]) -> tuple[str, ...]:
    """Its confidentiality codes, with those that its depositor chose. Raises `Invalid`, `NotAllowed`."""
    if not marks <= CODES.keys():
        raise Invalid("bad_mark", "Cette confidentialité n’existe pas.")
    codes = dict.fromkeys((*(facts.confidentiality or ("N",)), *(CODES[mark] for mark in sorted(marks))))
    if not {"R", "V"}.isdisjoint(codes):
        raise NotAllowed("restricted", "Un document restreint (R ou V) ne se dépose pas dans un dossier partagé.")
    if {CODES[HIDDEN], CODES[UNTOLD]} <= codes.keys():
        raise both()
    return tuple(codes)


def _standing_codes(tx: Tx, to: SpaceHandle, row: Document) -> list[str]:
    marks = visibilities.marks_of(tx, to.space_id, [row.id]).get(row.id, {})
    return [CODES[mark] for mark in marks if mark in CODES]


async def _tell(
    app: App,
    to: SpaceHandle,
    facts: FileFacts,
    line: str,
    line_en: str,
    run: Callable[[Tx], None],
    effect: Callable[[Doing], None],
) -> None:
    """Do it, with a line for the patient; without one when those it is kept from would read it."""
    if {CODES[UNTOLD], CODES[SECRET]}.isdisjoint(facts.confidentiality):
        await space_news.tell(app, to.space_id, line, line_en, effect)
    else:
        await app.db.write(run)
