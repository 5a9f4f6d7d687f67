"""The crowd of the benchmark: patients beyond the demo's three, each with a token and a conversation with one desk.

They are made in process, through the functions that `pli people` uses, on a data folder that no server has open.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server import access, people, sessions
from server.drafts import Actor, Draft, Opening
from server.handles import ConversationHandle
from server.people import Traits
from server.posting import post
from server.settings import Settings
from tests.speed import crowd
from tests.speed.crowd import TEST_OID

if TYPE_CHECKING:
    from server.app import App

DESK = "accueil.vitesse@pli.example"


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient of the crowd, as a door sees them: INS, bearer token, and a conversation open with the crowd's desk."""

    ins: str
    token: str
    conversation: str


def traits(number: int) -> Traits:
    return Traits(
        crowd.ins(number), TEST_OID, crowd.NAME, crowd.given(number), crowd.BIRTH_DATE, crowd.SEX, crowd.BIRTH_PLACE
    )


async def open_crowd(
    app: App, count: int, password: str = "", *, desks: int = 1
) -> list[tuple[Actor, ConversationHandle]]:
    """`count` patients, each with one conversation that a desk opened; and the desk's handle on each conversation.

    The first desk has the address `DESK`; with more than one, they take the patients in turn.
    """
    boxes = []
    for number in range(desks):
        address = DESK if not number else DESK.replace("@", f".{number}@")
        desk = await people.add_writer(
            app, "team", "Accueil", address, password, organisation="CHU de Pli", organisation_id="vitesse"
        )
        boxes.append(await access.mailbox(app, desk))

    async def one(number: int) -> tuple[Actor, ConversationHandle]:
        box = boxes[number % desks]
        patient = await people.open_space(app, traits(number))
        space = await access.patient(app, box.actor, crowd.ins(number))
        receipt = await post(app, box.actor, Draft(Opening(space, "Votre admission"), "Bonjour, écrivez-nous ici."))
        return patient, await access.conversation(app, box, receipt.conversation)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


@dataclass(frozen=True, slots=True)
class Cast:
    """The desk, as its mail client and its chat sign in, the patients it writes to, and clerks, who have the desk's
    password, each under a hash of their own, and have not signed in since the server started.
    """

    password: str
    token: str
    patients: list[Patient]
    clerks: list[str]


async def _seed(data_dir: Path, count: int, clerks: int) -> Cast:
    from server.app import open_core

    async with open_core(Settings(data_dir=data_dir, ins_oids=TEST_OID, demo=True)) as app:
        password = secrets.token_urlsafe(12)
        opened = await open_crowd(app, count, password)
        patients = [
            Patient(crowd.ins(number), await sessions.new_token(app, patient.account_id), handle.conversation_id)
            for number, (patient, handle) in enumerate(opened)
        ]
        token = await sessions.new_token(app, opened[0][1].actor.account_id)
        addresses = [f"agent.{number}@pli.example" for number in range(clerks)]
        await asyncio.gather(*(people.add_writer(app, "professional", "Agent", one, password) for one in addresses))
        return Cast(password, token, patients, addresses)


def seed_apart(data_dir: Path, count: int, clerks: int) -> Cast:
    """Seed in a process of its own, so that nothing of Pli stays open here. RuntimeError with its last words when it
    fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.speed.cast", str(data_dir), str(count), str(clerks)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    told = json.loads(done.stdout.strip().rpartition("\n")[2])
    return Cast(**{**told, "patients": [Patient(**patient) for patient in told["patients"]]})


def main() -> None:
    """`python -m tests.speed.cast DATA_DIR PATIENTS CLERKS`: seed, and print the cast as JSON on the last line."""
    print(json.dumps(asdict(asyncio.run(_seed(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))))


if __name__ == "__main__":
    main()
