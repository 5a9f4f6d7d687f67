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

from server import access, people
from server.access import ConversationHandle
from server.drafts import Actor, Draft, Opening
from server.people import Traits
from server.posting import post
from server.settings import Settings

if TYPE_CHECKING:
    from server.app import App

TEST_OID = "1.2.250.1.213.1.4.10"
DESK = "accueil.vitesse@pli.example"


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient of the crowd, as a door sees them: INS, bearer token, and a conversation open with the crowd's desk."""

    ins: str
    token: str
    conversation: str


def ins(number: int) -> str:
    """A well-formed test INS (13 digits and their key, 97 less the remainder): a woman born in 1950, n-th of a
    commune.
    """
    body = f"25001{99000 + number // 1000:05d}{number % 1000:03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def traits(number: int) -> Traits:
    return Traits(ins(number), TEST_OID, "VITESSE", f"Patient {number}", "1950-01-01", "F", "99000")


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
        space = await access.patient(app, box.actor, ins(number))
        receipt = await post(app, box.actor, Draft(Opening(space, "Votre admission"), "Bonjour, écrivez-nous ici."))
        return patient, await access.conversation(app, box, receipt.conversation)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


@dataclass(frozen=True, slots=True)
class Cast:
    """The desk, as its mail client and its chat sign in, and the patients it writes to."""

    password: str
    token: str
    patients: list[Patient]


async def _seed(data_dir: Path, count: int) -> Cast:
    from server.app import open_core

    async with open_core(Settings(data_dir=data_dir, ins_oids=TEST_OID, demo=True)) as app:
        password = secrets.token_urlsafe(12)
        crowd = await open_crowd(app, count, password)
        patients = [
            Patient(ins(number), await people.new_token(app, patient.account_id), handle.conversation_id)
            for number, (patient, handle) in enumerate(crowd)
        ]
        return Cast(password, await people.new_token(app, crowd[0][1].actor.account_id), patients)


def seed_apart(data_dir: Path, count: int) -> Cast:
    """Seed in a process of its own, so that nothing of Pli stays open here. RuntimeError with its last words when it
    fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.speed.cast", str(data_dir), str(count)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    told = json.loads(done.stdout.strip().rpartition("\n")[2])
    return Cast(told["password"], told["token"], [Patient(**patient) for patient in told["patients"]])


def main() -> None:
    """`python -m tests.speed.cast DATA_DIR COUNT`: seed, and print the cast as JSON on the last line."""
    print(json.dumps(asdict(asyncio.run(_seed(Path(sys.argv[1]), int(sys.argv[2]))))))


if __name__ == "__main__":
    main()
