"""Whose account it is that an identity provider vouches for.

Promises: nobody is created here. A professional is known by their national number, which the directory gives too. A
patient is known by their strict traits alone, all of them, to the letter but for case and accents; they are found by
a keyed hash, and compared again with the sealed traits at each sign-in; two holders with the same traits are nobody.
What links an account to a provider is kept as a keyed hash.

Does not: verify what the provider said (`server.oidc`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import audit, oidc_claims, people
from server.audit import Act
from server.oidc_claims import Professional
from storage import accounts, identities
from storage.accounts import Account
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.oidc import Identified


async def professional(app: App, issuer: str, who: Professional) -> str | None:
    """The account of a professional hosted here, or None. What their account does not say yet (role, organisation,
    profession) it says from now on.
    """
    subject = app.vault.lookup("psc", f"{issuer}|{who.national_id}")

    def recognise(tx: Tx) -> str | None:
        hosted = accounts.professionals(tx, *who.written)
        known = identities.account_of(tx, issuer, subject)
        account = next((one for one in hosted if one.id == known), hosted[0] if hosted else None)
        if account is None:
            return None
        identities.keep(tx, issuer, subject, account.id)
        accounts.complete(tx, account.id, who.role, who.organisation, who.profession)
        audit.record(tx, Act.SIGNED_IN, people.actor_in(app, tx, account), "", "psc")
        return account.id

    return await app.db.write(recognise)


async def holder(app: App, issuer: str, who: Identified) -> str | None:
    """The account of the only holder who has these strict traits, or None."""
    told = oidc_claims.pivot(who.claims)
    subject = app.vault.lookup("franceconnect", f"{issuer}|{who.subject}")

    def recognise(tx: Tx) -> str | None:
        account = _by_traits(app, tx, told)
        known = identities.account_of(tx, issuer, subject)
        if account is None or known not in {None, account.id}:
            return None  # the provider now says somebody else by that name: a person looks at it
        identities.keep(tx, issuer, subject, account.id)
        audit.record(tx, Act.SIGNED_IN, people.actor_in(app, tx, account), "", "franceconnect")
        return account.id

    return await app.db.write(recognise) if told else None


def _by_traits(app: App, tx: Tx, told: str) -> Account | None:
    """The one holder in force, of an open space, who has these traits; as they stand in the space, not in the index."""
    found = []
    for account_id in identities.with_traits(tx, app.vault.lookup("traits", told)):
        account = accounts.by_id(tx, account_id)
        space = accounts.space(tx, account.space_id) if account is not None else None
        if account is None or space is None or space.state != "open":
            continue
        traits = people.traits(app, tx, account.space_id)
        found += [account] if traits is not None and traits.strict == told else []
    return found[0] if len(found) == 1 else None
