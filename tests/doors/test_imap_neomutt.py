"""Dr Morel reads and writes with neomutt, as Debian ships it, and finds on the web what she did there."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

from server import reading
from tests.browser.visitor import visitor
from tests.doors.test_list import rows
from tests.house import House
from tests.imap_client import Client, client, exchange
from tests.mail_programs import PATIENCE, Neomutt, environment


async def counted(program: Client) -> dict[str, int]:
    """How many messages are in each folder that holds some."""
    _, said = await program.raw('LIST "" (INBOX Sent Archive Trash Drafts) RETURN (STATUS (MESSAGES))')
    found = [re.match(r"\* STATUS (\w+) \(MESSAGES (\d+)\)", line.decode()) for line in said]
    return {match[1]: int(match[2]) for match in found if match and int(match[2])}


async def test_neomutt_shows_the_exchange_as_one_thread(house: House, tmp_path: Path) -> None:
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Et mon traitement ?")
    await house.letter("morel", "marcel", "Bonjour")  # another thread
    shown = await Neomutt(house, tmp_path).look(r"2 N")
    # Her own letter, which both answer, is in Sent: the first is drawn under its absence, the second beside it.
    assert re.search(r"1 N \W*-->Re: Consignes", shown), shown
    assert re.search(r"2 N \W*`->Re: Consignes", shown), shown


async def test_the_copy_neomutt_files_in_sent_is_not_a_second_one(house: House, tmp_path: Path) -> None:
    neomutt = Neomutt(house, tmp_path)
    sent = await asyncio.to_thread(
        subprocess.run,
        neomutt.command("-s", "Votre admission", house.address("dominique")),
        input="Venez à jeun.\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(tmp_path),
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    async with client(house, folder="Sent") as morel:
        [uid] = await morel.uids("ALL")
        mail = await morel.mail(uid)
    assert mail["Subject"] == "Votre admission"
    page = await reading.since(house.app, await house.mailbox("dominique"), 0)
    assert [entry.message.text.strip() for entry in page.entries] == ["Venez à jeun."]


async def test_what_neomutt_puts_off_goes_on_and_what_it_files_is_filed(house: House, tmp_path: Path) -> None:
    conversation = await exchange(house)
    other = await house.letter("morel", "marcel", "Bonjour", "Rendez-vous")
    await house.answer("marcel", other.conversation, "Entendu.")
    neomutt = Neomutt(house, tmp_path, "Venez à jeun.")
    async with client(house, folder=None) as computer, visitor(house, "morel") as morel:
        await neomutt.press("<first-entry><reply><postpone-message>")
        assert await counted(computer) == {"INBOX": 2, "Sent": 2, "Drafts": 1}
        assert "Venez à jeun." in (await morel.get("/drafts")).said
        assert "Venez à jeun." in (await morel.get(f"/c/{conversation}")).said, "in the sheet"
        await neomutt.press("<recall-message><send-message>")  # through the editor again, which writes once more
        assert await counted(computer) == {"INBOX": 2, "Sent": 3}
        assert "Venez à jeun." not in (await morel.get("/drafts")).said
        page = await reading.since(house.app, await house.mailbox("dominique"), 0)
        assert [entry.message.text.strip() for entry in page.entries][-1] == "Venez à jeun.\nVenez à jeun."
        await neomutt.press(
            "<first-entry><save-message><kill-line>=Archive<enter><last-entry><delete-message><sync-mailbox>"
        )
        assert await counted(computer) == {"Sent": 3, "Archive": 1, "Trash": 1}
        assert rows(await morel.get("/")) == []
        assert sorted(rows(await morel.get("/?filter=archived"))) == ["Consignes avant l’opération", "Rendez-vous"]
