"""What a reader is to a dossier at this instant, worked out inside the transaction that reads: a consent withdrawn, a
delegation ended, somebody blocked in between counts at once (ASVS V15.4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.dossier import choices
from server.dossier.habilitation import EXPLICIT, Ground, Reader
from storage import accounts, consents, delegations, documents, exchanges, teams
from storage.consents import Consent
from storage.database import Tx
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.handles import DossierHandle

CARE = "care"  # the ground of a handle that a professional has: what it is worth is worked out here
SERVICE = "grant"  # of one that a service of the catalogue has


class ConsentFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sealed part of a consent. `things`: categories and pseudo types that may be read (empty: all that may be
    shared). `reason`: in words, of an emergency or of who asked. `place`: where. `name`: whom it is about, as
    named that day.
    """

    things: tuple[str, ...] = ()
    reason: str = ""
    place: str = ""
    name: str = ""
    conversation: str = ""


def consent_facts(keys: SpaceKeys, consent: Consent) -> ConsentFacts:
    return msgspec.json.decode(keys.open("consent", consent.id, consent.facts), type=ConsentFacts)


def reader(tx: Tx, handle: DossierHandle) -> Reader:
    """Who reads by this handle, now. What is no longer theirs is simply not there: nobody is told why here."""
    actor, space_id = handle.actor, handle.space_id
    if actor.external or not accounts.in_force(tx, actor.account_id):
        return Reader("nobody")
    if handle.ground == CARE:
        return professional(tx, handle.keys, space_id, actor.account_id)
    if handle.ground == SERVICE:
        return _service(tx, handle)
    if handle.ground == "self":
        return Reader("holder", frozenset({actor.account_id}))
    known = delegations.in_force(tx, space_id, actor.account_id)
    return Reader(known.kind, areas=known.scopes) if known else Reader("nobody")


def professional(tx: Tx, keys: SpaceKeys, space_id: str, account_id: str) -> Reader:
    """A professional by their own account and the teams they work in."""
    account, space = accounts.by_id(tx, account_id), accounts.space(tx, space_id)
    if account is None or space is None:
        return Reader("nobody")
    known = frozenset({account_id, *(team for team, _, _ in teams.of_account(tx, account_id))})
    given = consents.in_force(tx, space_id, known)
    return Reader(
        "professional",
        known,
        account.profession,
        tuple(_ground(keys, consent) for consent in given),
        blocked=any(exchanges.standing(tx, space_id, one).blocked for one in known),
        closed=space.state != "open",
        hidden_in_emergency=choices.chosen(tx, space_id)["hidden_in_emergency"],
    )


def _ground(keys: SpaceKeys, consent: Consent) -> Ground:
    things = consent_facts(keys, consent).things if consent.kind == EXPLICIT else ()
    return Ground(consent.kind, consent.id, frozenset(things))


def _service(tx: Tx, handle: DossierHandle) -> Reader:
    scopes: set[str] = set()
    for grant in documents.grants_in_force(tx, handle.actor.account_id):
        if grant.space_id == handle.space_id:
            scopes |= scopes_of(handle.keys, grant)
    return Reader("service", frozenset({handle.actor.account_id}), areas=frozenset(scopes))


def scopes_of(keys: SpaceKeys, grant: documents.Grant) -> frozenset[str]:
    """What a grant names."""
    return frozenset(msgspec.json.decode(keys.open("grant", grant.id, grant.facts))["scopes"])
