"""Every IMAP command, asked by every professional: nobody reads in a mail client what is another's, and of a dossier
nothing at all. A command that is not asked here does not pass.
"""

from __future__ import annotations

import imaplib
import re

import pytest

from mail_gateway.imap import parser
from server import teams
from tests.imap_client import client
from tests.laws.conftest import Scene
from tests.laws.test_matrix import SECRETS

SIGNING_IN = {"STARTTLS", "LOGIN", "AUTHENTICATE", "LOGOUT", "IDLE"}  # the client does these; IDLE waits for its end
ASKED = (
    "CAPABILITY", "NOOP", "ID NIL", "ENABLE CONDSTORE QRESYNC", "GETQUOTAROOT INBOX", 'GETQUOTA ""', "NAMESPACE",
    'LIST "" "*"', 'LSUB "" "*"', "SELECT INBOX", "CHECK",
    "FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE PREVIEW EMAILID THREADID)", "FETCH 1:* BODY.PEEK[]",
    "UID FETCH 1:* (BODY.PEEK[TEXT])", "SEARCH TEXT minuit", "UID SEARCH ALL", "STATUS INBOX (MESSAGES UNSEEN)",
    "STORE 1:* +FLAGS (\\Flagged)", "COPY 1:* Archive", "MOVE 1:* Trash", "SELECT Trash", "MOVE 1:* INBOX",
    "EXAMINE Sent", "FETCH 1:* BODY.PEEK[]", "CLOSE", "SELECT INBOX", "UNSELECT",
    "SELECT INBOX", "EXPUNGE", "CREATE Dossier", "RENAME INBOX Autre", "DELETE Dossier", "SUBSCRIBE INBOX",
    "UNSUBSCRIBE INBOX", "APPEND INBOX",
)  # fmt: skip
TEAM = '"Equipes/Admissions, CHU de Pli'
OF_TEAM = (  # the name of a folder of the admissions team in the place of {}
    'LIST "" {}', 'LSUB "" {}', "STATUS {} (MESSAGES SIZE)", "SUBSCRIBE {}", "UNSUBSCRIBE {}", "GETQUOTAROOT {}",
    "GETQUOTA {}", "CREATE {}", "DELETE {}", "RENAME {} Autre", "APPEND {} {{0+}}\r\n", "EXAMINE {}",
    "FETCH 1:* BODY.PEEK[]", "UID SEARCH ALL", "SELECT INBOX", "COPY 1:* {}", "MOVE 1:* {}",
)  # fmt: skip
CASE = "chambre 7731"
NOBODY_S = re.compile(r"BAD|NO \[NONEXISTENT\]|OK.*Done|NO \[CANNOT\] Les dossiers sont fixes")


def test_every_command_that_is_understood_is_asked() -> None:
    asked = {line.removeprefix("UID ").split()[0] for line in ASKED}
    assert parser.COMMANDS.keys() - asked - SIGNING_IN == set()


@pytest.mark.parametrize("who", ["morel", "petit", "leroy", "lunel", "benali", "rossi", "admissions", "pharmacy"])
async def test_a_mail_client_shows_its_own_mailbox_and_no_dossier(scene: Scene, who: str) -> None:
    shown = ""
    async with client(scene.house, scene.house.address(who), folder=None) as program:
        for line in ASKED:
            _, data = await program.raw(line)
            shown += b"\n".join(data).decode("utf-8", "replace")
    seen = [secret for secret in SECRETS if secret in shown]
    assert bool(seen) == (who == "morel"), "the letter is Dr Morel's own"
    assert scene.ids["document"] not in shown


async def test_the_folders_of_a_team_are_there_for_who_works_in_it_and_for_nobody_else(scene: Scene) -> None:
    house = scene.house
    letter = await house.letter("admissions", "marcel", f"La {CASE} est pour vous.", "Votre chambre")
    await house.answer("marcel", letter.conversation, f"Merci, {CASE}.")

    async def shown(who: str) -> tuple[str, set[str]]:
        told, answers = "", set()
        async with client(house, house.address(who), folder=None) as program:
            for below in ("", "/Drafts", "/Sent", "/Archive", "/Trash"):
                for line in OF_TEAM:
                    answer, data = await program.raw(line.format(f'{TEAM}{below}"'))
                    told += b"\n".join(data).decode("utf-8", "replace")
                    answers.add(answer)
        return told, answers

    everybody = ["morel", "leroy", "lunel", "benali", "rossi", "pharmacy", "admissions"]
    for who in everybody:
        told, answers = await shown(who)
        assert CASE not in told, who
        assert "Equipes/Admissions" not in told, who
        assert all(NOBODY_S.match(answer) for answer in answers), (who, answers)
    told, _ = await shown("petit")
    assert CASE in told
    await teams.leave(house.app, house.admissions.account_id, house.petit.account_id)
    told, _ = await shown("petit")
    assert "Equipes/Admissions" not in told


@pytest.mark.parametrize("who", ["dominique", "camille", "operator", "lab", "carnet"])
async def test_patients_operators_and_services_have_no_mail_client_here(scene: Scene, who: str) -> None:
    with pytest.raises(imaplib.IMAP4.error):
        async with client(scene.house, scene.house.address(who), folder=None):
            pass
