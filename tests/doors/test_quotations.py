"""What somebody wrote is told from what they quoted, as their mail clients write it; nothing of theirs is hidden."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.quotations import split_quoted
from tests.mail_house import MailHouse, bring, open_mail_house, plain
from webchat import texts

OUTLOOK = """De : Dr Agathe MOREL <agathe.morel@pli.example>
Envoyé : lundi 23 novembre 2026 10:12
À : Dominique PAT-TROIS
Objet : RE: Votre opération

Venez à jeun."""
HEADED = "De : Dr Morel\nVenez à jeun."
QUOTED = {
    "Gmail": "Le lun. 23 nov. 2026 à 10:12, Dr Agathe MOREL <agathe.morel@pli.example> a écrit :\n\n> Venez à jeun.",
    "Gmail, wrapped": "Le lun. 23 nov. 2026 à 10:12, Dr Agathe MOREL\n<agathe.morel@pli.example> a écrit :\n\n> Venez.",
    "Gmail in English": "On Mon, Nov 23, 2026 at 10:12 AM Dr Morel <agathe.morel@pli.example> wrote:\n> Venez à jeun.",
    "Apple Mail": "> Le 23 nov. 2026 à 10:12, Dr Morel <agathe.morel@pli.example> a écrit :\n>\n> Venez à jeun.",
    "Apple Mail on a telephone": "Envoyé de mon iPhone\n\n> Le 23 nov. 2026 à 10:12, Dr Morel a écrit :\n> \n> Venez.",
    "Apple Mail, forwarded": "Début du message réexpédié :\n\n> De: Dr Morel\n> Objet: Venez",
    "Apple Mail in English": "Begin forwarded message:\n\n> From: Dr Morel\n> Subject: Venez",
    "Thunderbird": "Le 23/11/2026 à 10:12, Dr Morel a écrit :\n> Venez à jeun.\n>\n> Morel",
    "Thunderbird, unmarked": "Le 23/11/2026 à 10:12, Dr Morel a écrit :\nVenez à jeun.",
    "Thunderbird in English": "On 23/11/2026 10:12, Dr Morel wrote:\n> Venez à jeun.",
    "K-9": "Le 23 novembre 2026 10:12:13 GMT+01:00, Dr Morel <agathe.morel@pli.example> a écrit :\n>Venez à jeun.",
    "K-9, older": f"-------- Message original --------\n{OUTLOOK}",
    "Samsung": f"-------- Message d'origine --------\n{HEADED}",
    "Yahoo": "Le lundi 23 novembre 2026 à 10:12:13 UTC+1, Dr Morel <a@pli.example> a écrit :\n\nVenez à jeun.",
    "Roundcube": "Le 2026-11-23 10:12, Dr Morel a écrit :\n> Venez à jeun.",
    "Zimbra": f"----- Mail original -----\nDe: Dr Morel\nÀ: Dominique\nEnvoyé: Lundi 23 Novembre 2026\n{HEADED}",
    "Outlook": OUTLOOK,
    "Outlook, starred": OUTLOOK.replace("De :", "*De :*").replace("Envoyé :", "*Envoyé :*"),
    "Outlook on the Web": f"________________________________\n{OUTLOOK}",
    "Outlook, plain": f"-----Message d'origine-----\n{HEADED}",
    "Outlook in English": "From: Dr Morel\nSent: Monday 10:12\nTo: Dominique\nSubject: RE: x\n\nVenez à jeun.",
    "Outlook in English, plain": "-----Original Message-----\nFrom: Dr Morel\nVenez à jeun.",
    "Outlook for Mac": "De : Dr Morel <a@pli.example>\nDate : lundi 23 novembre 2026 à 10:12\nÀ : Dominique\n\nVenez.",
    "marks alone": "> Venez à jeun.\n> Dr Morel",
    "a letter within ours": "---------- Message transféré ----------\n> De : Dr Morel\n>\n> Venez à jeun.",
}


@pytest.mark.parametrize("quoted", QUOTED.values(), ids=QUOTED.keys())
def test_what_dominique_wrote_is_told_from_what_she_quoted(quoted: str) -> None:
    written, rest = split_quoted(f"Oui, 1.\nMerci.\n\n{quoted}\n")
    own = "\n\nEnvoyé de mon iPhone" if "iPhone" in quoted else ""
    assert written == f"Oui, 1.\nMerci.{own}"
    assert rest == quoted.removeprefix(own.strip()).lstrip("\n")


@pytest.mark.parametrize(
    "text",
    [
        "> Venez à jeun.\nEntendu.\n> Sans bijoux.\nD’accord.",
        "Le 23/11/2026 à 10:12, Dr Morel a écrit :\n> Venez à jeun.\n\nJe ne pourrai pas venir.",
        "Bonjour,\nLe docteur m’a dit de venir.\nOn verra bien : merci",
        "Bonjour,\nLe Dr Durand a écrit :\nprenez 5 mg.\nEst-ce juste ?",
        "J’ai mal.\n> Depuis quand ?\nDepuis lundi.",
        "Je viendrai.\nDe : 9 h\nDate : lundi",
        "De : Marseille\nÀ : Paris\nMerci",
        "Dose : > 5 mg",
        "",
    ],
)
def test_nothing_a_person_wrote_is_ever_hidden_as_a_quotation(text: str) -> None:
    assert split_quoted(text) == (text, "")


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


def shown(text: str) -> list[tuple[bool, str]]:
    """As a page has it: (folded, words)."""
    return [
        (one.quoted, html.unescape(re.sub("<[^>]+>", "\n", str(one.text))).replace("\xa0", " "))
        for one in texts.blocks(text)
    ]


async def test_a_quotation_is_folded_and_the_whole_text_is_one_tap_away(house: MailHouse) -> None:
    assert (await bring(house, plain(f"Oui.\n\n{OUTLOOK}"))).startswith("250")
    (text,) = await house.texts("dominique")
    assert text == f"Oui.\n\n{OUTLOOK}", "the whole is kept"
    assert shown(text) == [(False, "Oui."), (True, OUTLOOK)]


def test_what_is_written_between_and_under_quotations_is_never_folded() -> None:
    between = "Le 23/11/2026, Dr Morel a écrit :\n> Venez à jeun.\nEntendu.\n> Sans bijoux.\nD’accord."
    assert [words for folded, words in shown(between) if not folded] == ["Entendu.", "D’accord."]
    under = "> Venez à jeun.\n\nJe ne pourrai pas."
    assert shown(under) == [(True, "Venez à jeun."), (False, "Je ne pourrai pas.")]
