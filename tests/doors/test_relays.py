"""Mail programs whose maker's servers read in their place: known by where they call from or by their name, refused in
words, or allowed.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mail_gateway import relays
from server import mail_sign_in
from server.settings import BadSettings, Settings, load, problems
from tests.browser.visitor import visitor
from tests.doors.test_imap_sign_in import connected, plain
from tests.house import House
from tests.imap_client import MOREL, trusting
from tests.wire import connected_at_once


def table(folder: Path, **row: object) -> str:
    """A file of one relay."""
    shown = {"name": "Été Mail", "maker": "Éditeur", "on": True, "source": "s", "read": "2026-11-23", "basis": "b"}
    path = folder / "relays.json"
    path.write_text(json.dumps({"version": "1", "basis": "", "relays": [{**shown, **row}]}))
    return str(path)


def settle(house: House, **changes: str) -> None:
    """As the operator wants it from now on."""
    house.app.settings = replace(house.app.settings, **changes)  # type: ignore[arg-type]


# ---- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "maker"),
    [
        ("52.125.138.7", "Microsoft"),  # reported by an operator of Dovecot
        ("::ffff:52.125.138.7", "Microsoft"),
        ("40.101.12.1", "Microsoft"),
        ("2603:1026:c06::2", "Microsoft"),
        ("90.12.34.56", ""),  # somebody's home
        ("2a01:cb00::1", ""),
        ("127.0.0.1", ""),
        ("nonsense", ""),
    ],
)
def test_where_the_known_relays_call_from(address: str, maker: str) -> None:
    found = relays.refused(Settings()).at(address)
    assert (found.maker if found else "") == maker
    assert relays.refused(Settings(mail_relays="allowed")).at(address) is None


def test_every_row_says_where_it_is_from_and_one_that_rests_on_hearsay_is_off() -> None:
    told = msgspec.json.decode(relays.SHIPPED.read_bytes(), type=dict[str, Any])
    for row in told["relays"]:
        assert row["read"] >= "2026-11-01", row["name"]
        assert len(row["basis"]) > 20, row["name"]
        assert not row["on"] or (row["networks"] and "Published by the maker" in row["basis"]), row["name"]


def test_a_table_that_is_none_is_said_so_when_the_door_opens(tmp_path: Path) -> None:
    for wrong in ({"networks": ["52.125.138.7/20"]}, {"networks": "all"}):
        path = Path(table(tmp_path, **wrong)).rename(tmp_path / f"{len(str(wrong))}.json")
        with pytest.raises(BadSettings, match="no table of relays"):
            relays.refused(Settings(mail_relays_file=str(path)))


# ---- the doors -------------------------------------------------------------------------------------------------------


async def test_a_relay_hears_why_at_both_doors_and_no_password_is_looked_at(house: House, tmp_path: Path) -> None:
    settle(house, mail_relays_file=table(tmp_path, networks=["127.0.0.0/8"]))
    async with connected(house) as said:
        for told in (
            await said.authenticate("PLAIN", plain()),
            await said.authenticate("PLAIN", plain(secret="faux")),
            await said.say(f"t LOGIN {MOREL} faux"),
        ):
            assert told.startswith("t NO [CONTACTADMIN] Ete Mail fait passer votre mot de passe et vos messages")
            assert "par les serveurs de Editeur" in told
            assert " / this program hands your password" in told
    coded = base64.b64encode(plain()).decode()
    async with connected_at_once(house.app.ports["submissions"], trusting(house.app)) as wire:
        reply = await wire.say(f"AUTH PLAIN {coded}")
    assert reply.startswith("535 5.7.1 Ete Mail fait passer")
    assert await mail_sign_in.refusals(house.app, house.morel) == []
    async with visitor(house, "morel") as she:
        page = await she.get("/account/mail")
    assert page.said.count("par les serveurs de Éditeur a été refusé") == 1, "she learns of it, once"


async def test_a_relay_that_says_its_name_is_shown_out_before_and_after_it_signed_in(
    house: House, tmp_path: Path
) -> None:
    settle(house, mail_relays_file=table(tmp_path, clients=["ete mail"]))
    async with connected(house) as said:
        await said.say('i ID ("name" "Ete Mail" "version" "3")')
        assert (await said.authenticate("PLAIN", plain())).startswith("t NO [CONTACTADMIN]")
    async with connected(house) as said:
        assert (await said.authenticate("PLAIN", plain())).startswith("t OK")
        assert (await said.say('i ID ("name" "Ete Mail" "version" "3")')).startswith("* BYE [CONTACTADMIN]")
    async with connected(house) as said:
        await said.say('i ID ("name" "Thunderbird")')
        assert (await said.authenticate("PLAIN", plain())).startswith("t OK")


async def test_an_operator_may_allow_them(house: House, tmp_path: Path) -> None:
    settle(house, mail_relays_file=table(tmp_path, networks=["127.0.0.0/8"]), mail_relays="allowed")
    async with connected(house) as said:
        assert (await said.authenticate("PLAIN", plain())).startswith("t OK")


def test_settings_that_make_no_sense_are_said_before_a_door_opens(tmp_path: Path) -> None:
    wrong = Settings(demo=True, mail_relays_file=str(tmp_path / "none.json"), mail_session_hours=0)
    told = problems(wrong)
    assert [line.partition(":")[0] for line in told] == ["mail_relays_file", "mail_session_hours"]
    for name in ("mail_relays", "mail_main_password"):
        with pytest.raises(BadSettings, match="neither allowed nor refused"):
            load(environ={f"PLI_{name.upper()}": "perhaps"})
