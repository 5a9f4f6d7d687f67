"""`pli audit`: an operator proves that the journal is whole, and says whose records an account touched."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server import access, audit_chain
from server.admin import admin_door
from server.app import open_core
from storage.database import Tx
from tests.house import House, open_house, settings_for
from tests.support.command import pli


async def test_an_operator_asks_whether_the_journal_is_whole_and_whom_somebody_touched(
    house: House, tmp_path: Path
) -> None:
    folder = str(house.app.settings.data_dir)
    await house.letter("morel", "dominique")
    await access.record_of(house.app, await house.mailbox("morel"), house.dominique.space_id)
    await audit_chain.seal(house.app)

    async def ask(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(pli, *words, PLI_DATA_DIR=folder)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    async with admin_door(house.app):
        status, said = await ask("audit", "verify")
        assert (status, said.count("\n")) == (0, 1)
        assert said.startswith("whole: ")
        now = datetime.now(UTC)
        since, until = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 1))
        status, said = await ask("audit", "touched", house.morel.account_id, "--from", since, "--until", until)
        (touched,) = [json.loads(line) for line in said.splitlines()]
        assert touched["space"] == house.dominique.space_id
        assert house.ins("dominique") not in said
        anchors = tmp_path / "anchors"
        anchors.write_text(json.dumps({"number": 900, "chain": "0" * 64}) + "\nnonsense\n")
        status, said = await ask("audit", "verify", "--anchors", str(anchors))
        assert (status, said.count("\n")) == (1, 2)  # a line a fault
        assert "block 900 was anchored and is not there" in said


async def test_a_server_that_closes_leaves_nothing_unsealed_and_its_end_is_told_outside(tmp_path: Path) -> None:
    anchors = tmp_path / "elsewhere"
    settings = settings_for(tmp_path / "pli", audit_anchor_file=str(anchors))
    async with open_house(settings) as house:
        await access.dossier(house.app, await house.mailbox("marcel"))
    async with open_core(settings) as app:
        found = await audit_chain.verify(app, anchors.read_text())
        assert (found.faults, found.waiting) == ([], 0)
        assert found.anchors >= 1
        await app.db.write(_cut_off)
        found = await audit_chain.verify(app, anchors.read_text())
        assert "the end was cut off" in found.faults[-1]


def _cut_off(tx: Tx) -> None:
    newest = tx.run("SELECT MAX(number) FROM audit_blocks")[0][0]
    tx.run("DELETE FROM audit WHERE block = :n", n=newest)
    tx.run("DELETE FROM audit_blocks WHERE number = :n", n=newest)
