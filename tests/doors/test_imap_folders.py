"""The folders a mail client sees: which there are, by what names, what is said of each, and of one that is opened."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail_gateway.imap import folders
from mail_gateway.imap.commands import Listing
from server import people, teams
from tests.house import House
from tests.imap_client import Client, client, exchange, imap_house

OWN = ["INBOX", "Drafts", "Sent", "Archive", "Trash"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path) as opened:
        yield opened


async def said(program: Client, line: str) -> list[str]:
    answer, lines = await program.raw(line)
    assert answer.startswith("OK"), (line, answer)
    return [one.decode() for one in lines]


# ---- LIST ------------------------------------------------------------------------------------------------------------


def listed(pattern: str, *teams_of: str, lsub: bool = False, options: str = "") -> dict[str, tuple[str, ...]]:
    found = folders.drawers("m", [(team, team) for team in teams_of])
    asked = Listing("", (pattern,), frozenset(options.split()), extended=bool(options))
    lines = folders.listing(asked, found, subscribed=lsub)
    return {line.drawer.name: (*line.attributes, *line.of) for line in lines}


def test_a_star_crosses_levels_and_a_percent_does_not() -> None:
    assert list(listed("*", "Admissions"))[:5] == OWN
    assert "Equipes/Admissions/Sent" in listed("*", "Admissions")
    assert list(listed("%", "Admissions")) == [*OWN, "Equipes"]
    assert list(listed("Equipes/%", "Admissions", "Labo")) == ["Equipes/Admissions", "Equipes/Labo"]
    assert list(listed("%/%/S%", "Admissions")) == ["Equipes/Admissions/Sent"]
    assert list(listed("inBOX")) == ["INBOX"]
    assert list(listed("sent")) == []
    assert list(listed("*r*h*")) == ["Archive", "Trash"]


def test_no_pattern_is_slow_however_it_is_made() -> None:
    found = folders.drawers("m", [("a" * 80 + str(number), str(number)) for number in range(30)])
    asked = Listing("", ("%a*" * 60 + "b",))
    assert folders.listing(asked, found) == []
    assert not folders.matches("INBOX", "*" * 10_000)


def test_a_level_without_messages_says_so_and_children_are_told_of() -> None:
    found = listed("*", "Admissions")
    assert found["Equipes"] == ("\\NonExistent", "\\Noselect", "\\HasChildren")
    assert found["Equipes/Admissions"] == ("\\HasChildren",)
    assert found["INBOX"] == ("\\Noinferiors", "\\HasNoChildren")


def test_a_folder_says_what_it_is_for_and_a_team_s_never_does() -> None:
    """A client looking for where to keep a draft must not take that of a team."""
    found = listed("*", "Admissions", options="SPECIAL-USE")
    assert found == {
        name: ("\\Noinferiors", "\\HasNoChildren", f"\\{name}") for name in ("Drafts", "Sent", "Archive", "Trash")
    }  # fmt: skip


def test_everything_is_subscribed_to_and_a_level_is_listed_for_what_is_under_it() -> None:
    found = listed("%", "Admissions", options="SUBSCRIBED RECURSIVEMATCH")
    assert found["INBOX"] == ("\\Noinferiors", "\\HasNoChildren", "\\Subscribed")
    assert found["Equipes"] == ("\\NonExistent", "\\Noselect", "\\HasChildren", "SUBSCRIBED")
    assert "Equipes" not in listed("%", "Admissions", options="SUBSCRIBED")
    assert "Equipes" in listed("%", "Admissions", lsub=True)
    assert "Equipes" not in listed("*", "Admissions", lsub=True)


def test_teams_of_one_name_and_of_names_that_cannot_be_folders_have_each_their_own() -> None:
    found = list(listed("Equipes/%", "Accueil", "Accueil", "Urgences / SAMU*", "\x07\u2028", "Accueil (2)"))
    assert found == [
        f"Equipes/{name}" for name in ("Accueil", "Accueil (2)", "Urgences SAMU", "Equipe", "Accueil (2) (2)")
    ]


async def test_the_folders_are_listed_and_say_what_they_are_for(house: House) -> None:
    async with client(house, house.address("leroy"), folder=None) as leroy:
        lines = await said(leroy, 'LIST "" "*"')
        assert lines == [
            '* LIST (\\Noinferiors \\HasNoChildren) "/" INBOX',
            '* LIST (\\Noinferiors \\HasNoChildren \\Drafts) "/" Drafts',
            '* LIST (\\Noinferiors \\HasNoChildren \\Sent) "/" Sent',
            '* LIST (\\Noinferiors \\HasNoChildren \\Archive) "/" Archive',
            '* LIST (\\Noinferiors \\HasNoChildren \\Trash) "/" Trash',
        ]
        assert await said(leroy, 'LIST "" ""') == ['* LIST (\\Noselect) "/" ""']
        assert await said(leroy, 'LIST "" "Brouillons"') == []
        assert len(await said(leroy, 'LSUB "" "*"')) == 5
        assert await said(leroy, "NAMESPACE") == ['* NAMESPACE (("" "/")) NIL NIL']
        assert await said(leroy, 'LIST (SPECIAL-USE) "" "*" RETURN (SUBSCRIBED)') == [
            f'* LIST (\\Noinferiors \\HasNoChildren \\Subscribed \\{name}) "/" {name}' for name in OWN[1:]
        ]
        assert await said(leroy, 'LIST "" ("INBOX" "S%")') == [lines[0], lines[2]]
        answer, _ = await leroy.raw('LIST (RECURSIVEMATCH) "" "*"')
        assert answer.startswith("BAD")


async def test_a_list_tells_the_status_of_each_folder_in_one_go(house: House) -> None:
    await exchange(house)
    async with client(house, folder=None) as morel:
        lines = await said(morel, 'LIST "" ("INBOX" "Sent" "Equipes") RETURN (STATUS (MESSAGES UNSEEN))')
        assert lines == [
            '* LIST (\\Noinferiors \\HasNoChildren) "/" INBOX',
            "* STATUS INBOX (MESSAGES 1 UNSEEN 1)",
            '* LIST (\\Noinferiors \\HasNoChildren \\Sent) "/" Sent',
            "* STATUS Sent (MESSAGES 1 UNSEEN 0)",
            '* LIST (\\NonExistent \\Noselect \\HasChildren) "/" Equipes',
        ]


async def test_a_name_with_accents_goes_in_the_way_the_client_reads_it(house: House) -> None:
    team = await people.add_writer(house.app, "team", "Pédiatrie & maternité", "pediatrie@pli.example")
    await teams.join(house.app, team.account_id, house.leroy.account_id, "member", "operator")
    async with client(house, house.address("leroy"), folder=None) as leroy:
        [line] = await said(leroy, 'LIST "" "Equipes/%"')
        assert line.endswith('"Equipes/P&AOk-diatrie &- maternit&AOk-"')
        assert await said(leroy, 'STATUS "Equipes/P&AOk-diatrie &- maternit&AOk-" (MESSAGES)')
        assert await said(leroy, "ENABLE UTF8=ACCEPT") == ["* ENABLED UTF8=ACCEPT"]
        [line] = await said(leroy, 'LIST "" "Equipes/%"')
        assert line.endswith('"Equipes/Pédiatrie & maternité"')
        assert await said(leroy, 'STATUS "Equipes/Pédiatrie & maternité/Sent" (MESSAGES)') == [
            '* STATUS "Equipes/Pédiatrie & maternité/Sent" (MESSAGES 0)'
        ]


# ---- what folders are not --------------------------------------------------------------------------------------------


async def test_folders_cannot_be_made_renamed_taken_away_or_hidden(house: House) -> None:
    async with client(house, folder=None) as morel:
        for line in ("CREATE Dossier", "DELETE Sent", "RENAME Sent Envoyes", "UNSUBSCRIBE Sent"):
            answer, _ = await morel.raw(line)
            assert answer.startswith("NO [CANNOT]"), line
        for line in ("DELETE Dossier", "SUBSCRIBE Dossier", "STATUS Dossier (MESSAGES)", "SELECT Equipes"):
            answer, _ = await morel.raw(line)
            assert answer.startswith("NO [NONEXISTENT]"), line
        answer, _ = await morel.raw("CREATE Sent")
        assert answer.startswith("NO [ALREADYEXISTS]")
        assert await said(morel, "SUBSCRIBE Sent") == []


# ---- STATUS, SELECT --------------------------------------------------------------------------------------------------


async def test_status_says_all_that_can_be_asked_of_a_folder(house: House) -> None:
    await exchange(house)
    async with client(house, folder=None) as morel:
        items = "MESSAGES RECENT UNSEEN DELETED UIDNEXT UIDVALIDITY HIGHESTMODSEQ SIZE DELETED-STORAGE APPENDLIMIT"
        [line] = await said(morel, f"STATUS inbox ({items} MAILBOXID)")
        told = re.fullmatch(
            r"\* STATUS INBOX \(MESSAGES 1 RECENT 0 UNSEEN 1 DELETED 0 UIDNEXT (\d+) UIDVALIDITY \d+"
            r" HIGHESTMODSEQ (\d+) SIZE (\d+) DELETED-STORAGE 0 APPENDLIMIT 26214400 MAILBOXID \(([A-Za-z0-9_-]+)\)\)",
            line,
        )
        assert told is not None, line
        assert int(told[1]) == int(told[2]) + 1
        await morel.do("select", "INBOX")
        [size] = await said(morel, "FETCH 1 (RFC822.SIZE)")
        assert f"RFC822.SIZE {told[3]})" in size
        await said(morel, "STORE 1 +FLAGS (\\Deleted)")
        [line] = await said(morel, "STATUS INBOX (DELETED DELETED-STORAGE)")
        assert line == f"* STATUS INBOX (DELETED 1 DELETED-STORAGE {told[3]})"
        [other] = await said(morel, "STATUS Sent (MAILBOXID)")
        assert told[4] not in other


async def test_opening_a_folder_says_all_a_client_must_know(house: House) -> None:
    await exchange(house)
    async with client(house, folder=None) as morel:
        lines = await said(morel, "SELECT inbox")
        assert "* 1 EXISTS" in lines
        assert "* 0 RECENT" in lines
        codes = {found[1]: found[2] for line in lines if (found := re.match(r"\* OK \[(\S+) ([^]]*)\]", line))}
        assert codes["UNSEEN"] == "1"
        assert codes["PERMANENTFLAGS"].endswith("\\*)")
        assert int(codes["HIGHESTMODSEQ"]) == int(codes["UIDNEXT"]) - 1
        assert re.fullmatch(r"\([A-Za-z0-9_-]+\)", codes["MAILBOXID"])
        [status] = await said(morel, "STATUS INBOX (UIDVALIDITY MAILBOXID)")
        assert status == f"* STATUS INBOX (UIDVALIDITY {codes['UIDVALIDITY']} MAILBOXID {codes['MAILBOXID']})"
        lines = await said(morel, "EXAMINE Sent")
        assert lines[0].startswith("* OK [CLOSED]")
        assert any("[PERMANENTFLAGS ()]" in line for line in lines)


async def test_revision_two_is_answered_in_its_own_way(house: House) -> None:
    await exchange(house)
    async with client(house, folder=None) as morel:
        assert await said(morel, "ENABLE IMAP4rev2 NIMPORTE") == ["* ENABLED IMAP4rev2"]
        assert await said(morel, "ENABLE IMAP4rev2") == ["* ENABLED"]
        lines = await said(morel, "SELECT INBOX")
        assert '* LIST (\\Noinferiors \\HasNoChildren) "/" INBOX' in lines
        assert not [line for line in lines if "RECENT" in line or "UNSEEN" in line]
        [found] = await said(morel, "SEARCH UNSEEN")
        assert found.startswith("* ESEARCH (TAG ")
        assert found.endswith("ALL 1")


async def test_a_client_asks_to_be_told_of_changes_by_number_and_learns_what_left(house: House) -> None:
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Encore une question.")
    async with client(house, folder=None) as morel:
        answer, _ = await morel.raw("SELECT INBOX (QRESYNC (1 1))")
        assert answer.startswith("BAD")
        assert await said(morel, "ENABLE QRESYNC") == ["* ENABLED QRESYNC"]
        lines = await said(morel, "SELECT INBOX")
        codes = {found[1]: found[2] for line in lines if (found := re.match(r"\* OK \[(\S+) ([^]]*)\]", line))}
        await said(morel, "STORE 1 +FLAGS (\\Deleted)")
        assert (await said(morel, "EXPUNGE"))[0] == "* VANISHED 2"
        await said(morel, "UNSELECT")
        lines = await said(morel, f"SELECT INBOX (QRESYNC ({codes['UIDVALIDITY']} {codes['HIGHESTMODSEQ']}))")
        assert "* VANISHED (EARLIER) 2" in lines
