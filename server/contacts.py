"""Where a person is reached outside Pli: e-mail addresses and telephone numbers, each proven by a code; and what they
are told there when something about their sign-in changes.

Promises: a point counts once the code sent to it came back; every change of password, factor or contact is told at
each verified e-mail address, old ones too, in the transaction that makes it. What is told names nobody and no health
matter (security item 53).

Does not: decide who may change them (`server.step_up`), or tell of letters (`server.notices`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server import audit, gateways, people
from server.audit import Act
from server.delivery import Parcel, Permanent, Temporary
from server.errors import Invalid, Refused, Unavailable
from storage import accounts, contact_points, deliveries
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

MOST = 5  # points of a kind
PURPOSE = "contact"
CHANNEL = "account-mail"
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_COUNTRY = "33"  # of a number that names none

# What is told, in the person's language: (subject, text). Nothing else leaves about a sign-in.
_BODY = {
    "fr": "Bonjour,\n\n{what}\n\nSi c’est vous, vous n’avez rien à faire. Sinon, entrez dans votre espace et regardez"
    " « Mon compte », puis « Connexion et sécurité ». {help}\n\n{url}\n",
    "en": "Hello,\n\n{what}\n\nIf it was you, there is nothing to do. If not, enter your space and look at “My account”"
    ", then “Sign-in and security”. {help}\n\n{url}\n",
}
_CODE = {
    "fr": "Bonjour,\n\nVotre code : {code}\n\nIl est valable 10 minutes. Ne le donnez à personne, même au téléphone. Si"
    " vous n’avez rien demandé, laissez ce message.\n",
    "en": "Hello,\n\nYour code: {code}\n\nIt is good for 10 minutes. Give it to nobody, not even by telephone. If you"
    " asked for nothing, leave this message.\n",
}
SUBJECT = {"fr": "Pli : à propos de votre connexion", "en": "Pli: about your sign-in"}
SAID = {
    "password": ("Le mot de passe de votre espace a changé.", "The password of your space was changed."),
    "factor": ("Une façon de confirmer votre connexion a changé.", "A way to confirm your sign-in was changed."),
    "copied": (
        "Une copie de votre clé d’accès a été présentée. Elle a été refusée : retirez cette clé.",
        "A copy of your passkey was shown. It was refused: remove that passkey.",
    ),
    "recovery": ("Vos codes de secours ont été renouvelés.", "Your recovery codes were renewed."),
    "contact": ("Vos coordonnées ont changé.", "Where you can be reached was changed."),
    "sign-in": ("Un accès à votre espace vient d’être créé.", "A sign-in to your space was just set up."),
    "mail-password": (
        "Un mot de passe vient d’être créé pour lire vos messages dans un logiciel de messagerie.",
        "A password was just made to read your messages in a mail program.",
    ),
    "recovery-used": (
        "Un code de secours a servi à entrer dans votre espace.",
        "A recovery code was used to enter your space.",
    ),
    "tries": (
        "Quelqu’un qui connaît votre mot de passe essaie d’entrer dans votre espace, sans y parvenir.",
        "Somebody who knows your password is trying to enter your space, without success.",
    ),
}


@dataclass(frozen=True, slots=True)
class Contact:
    """`value` in clear: for the person alone. kind: email, phone."""

    id: str
    kind: str
    value: str
    verified: bool

    @property
    def masked(self) -> str:
        """Enough to recognise one's own: `d•••@exemple.fr`, `•••• 78`."""
        if self.kind == "phone":
            return f"•••• {self.value[-2:]}"
        local, _, domain = self.value.partition("@")
        return f"{local[:1]}•••@{domain}"


def of_account(app: App, tx: Tx, account_id: str, kind: str = "", *, verified: bool = True) -> list[Contact]:
    """The points of a person, of one kind or of each. Raises `Unauthorised` when the account ended."""
    keys = people.own_keys(app, tx, account_id)
    found = [
        Contact(one.id, one.kind, keys.open(PURPOSE, one.id, one.value).decode(), one.verified_at is not None)
        for one in contact_points.of_account(tx, account_id)
    ]
    return [one for one in found if kind in {"", one.kind} and (one.verified or not verified)]


async def add(app: App, account_id: str, kind: str, text: str) -> Contact:
    """A point that waits for its code. Raises `Invalid`."""
    value, point_id = email(text) if kind == "email" else phone(text), new_id()

    def write(tx: Tx) -> Contact:
        known = of_account(app, tx, account_id, kind)
        if any(one.value == value for one in known):
            raise Invalid("contact_known", "C’est déjà dans vos coordonnées.")
        if len(known) >= MOST:
            raise Invalid("contacts_full", f"Vous en avez déjà {MOST}. Retirez-en un d’abord.")
        keys = people.own_keys(app, tx, account_id)
        contact_points.insert(tx, account_id, point_id, kind, keys.seal(PURPOSE, point_id, value.encode()))
        return Contact(point_id, kind, value, verified=False)

    return await app.db.write(write)


def verified(app: App, tx: Tx, account_id: str, point_id: str) -> bool:
    """The code of a point came back: it counts, and the person is told. False when it counted already."""
    if not contact_points.verify(tx, account_id, point_id):
        return False
    tell(app, tx, account_id, "contact")
    _note(app, tx, account_id, Act.CONTACT_CHANGED)
    return True


def remove(app: App, tx: Tx, account_id: str, point_id: str) -> None:
    """Raises `Refused`."""
    tell(app, tx, account_id, "contact")  # before it is gone: it is told too
    if not contact_points.end(tx, account_id, point_id):
        raise Refused
    _note(app, tx, account_id, Act.CONTACT_CHANGED)


def tell(app: App, tx: Tx, account_id: str, what: str) -> None:
    """Owe the person a word, at each verified e-mail address; nothing when no relay is set."""
    if not gateways.sends_mail(app):
        return
    keys, language = people.own_keys(app, tx, account_id), _language(tx, account_id)
    said = SAID[what][("fr", "en").index(language)]
    text = _BODY[language].format(what=said, help=app.settings.helpline, url=app.settings.public_url)
    for contact in of_account(app, tx, account_id, "email"):
        _owe(tx, keys, contact.value, language, text, 0)


def send_code(app: App, tx: Tx, account_id: str, contact: Contact, code: str, until: int, due: int = 0) -> None:
    """Owe an e-mail with a code, worth nothing after `until`; not before `due`."""
    keys, language = people.own_keys(app, tx, account_id), _language(tx, account_id)
    _owe(tx, keys, contact.value, language, _CODE[language].format(code=code), until, due)


def sms_text(tx: Tx, account_id: str, code: str) -> str:
    """What an SMS with a code says."""
    if _language(tx, account_id) == "en":
        return f"Your code: {code}. Good for 10 minutes. Give it to nobody."
    return f"Votre code : {code}. Valable 10 minutes. Ne le donnez à personne."


def email(text: str) -> str:
    """An address of e-mail as one types it. Raises `Invalid`."""
    value = unicodedata.normalize("NFKC", text).strip()
    if not _EMAIL.fullmatch(value) or len(value) > 254:
        raise Invalid("bad_email", "Cette adresse e-mail n’est pas complète. Exemple : prenom.nom@exemple.fr")
    local, _, domain = value.rpartition("@")
    return f"{local}@{domain.lower()}"


def phone(text: str) -> str:
    """A number as one types it, as E.164: `06 12 34 56 78` is `+33612345678`. Raises `Invalid`."""
    digits = re.sub(r"[\s.()\-\u00a0]", "", unicodedata.normalize("NFKC", text))
    digits = "+" + digits[2:] if digits.startswith("00") else digits
    if digits.startswith("0"):
        digits = f"+{_COUNTRY}{digits[1:]}"
    if not re.fullmatch(r"\+[1-9][0-9]{7,14}", digits) or (digits.startswith("+33") and len(digits) != 12):
        raise Invalid("bad_phone", "Ce numéro n’est pas complet. Exemple : 06 12 34 56 78")
    return digits


class AccountMail:
    """The channel of what is told about sign-in. Its target is `{"address", "subject", "text", "until"}`."""

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Raises `Temporary`, `Permanent`."""
        target = parcel.target
        if target["until"] and now_ms() > int(target["until"]):
            raise Permanent("too_late", "")
        try:
            await gateways.send_mail(self._app, target["address"], target["subject"], target["text"])
        except Unavailable as error:
            if error.code == "gateway_refused":
                raise Permanent(error.code, "") from error
            raise Temporary(error.code) from error


def _owe(tx: Tx, keys: SpaceKeys, address: str, language: str, text: str, until: int, due: int = 0) -> None:
    target = {"address": address, "subject": SUBJECT[language], "text": text, "until": until}
    deliveries.insert(tx, keys, "", CHANNEL, due or now_ms(), target)


def _language(tx: Tx, account_id: str) -> str:
    account = accounts.by_id(tx, account_id)
    return "en" if account is not None and account.language == "en" else "fr"


def _note(app: App, tx: Tx, account_id: str, act: Act) -> None:
    account = accounts.by_id(tx, account_id)
    if account is not None:
        audit.record(tx, act, people.actor_in(app, tx, account), account.space_id, "self")
