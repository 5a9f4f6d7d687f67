"""A professional's mailbox of thousands of messages, served by the IMAP door in a process of its own.

python -m tests.speed.mailbox FOLDER    serves what `fill` put there, prints its port, ends with its input
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mail_gateway.imap import imap_door
from server.app import open_core, seldom_collected
from tests.house import House, open_core_house, settings_for

EACH = 25  # answers of a conversation
WORDS = (
    "genou", "hanche", "tension", "ordonnance", "jeûne", "analyse", "dossier", "consultation", "douleur", "marche",
    "repos", "séance",
)  # fmt: skip
PARAGRAPH = (
    "Bonjour docteur, je vous écris au sujet de ma prochaine venue à l’hôpital. J’ai bien suivi vos consignes, "
    "je marche un peu chaque jour et je dors mieux. Dois-je continuer le traitement du soir jusqu’à l’opération ? "
)


async def fill(folder: Path, count: int) -> None:
    """`count` answers of a patient in Dr Morel's INBOX, of some 1.5 kB, in conversations of `EACH`."""
    async with open_core_house(settings_for(folder)) as house:
        for start in range(0, count, EACH):
            await _talk(house, start)


async def _talk(house: House, start: int) -> None:
    number = start // EACH
    subject = f"Votre {WORDS[number % len(WORDS)]}, suite {number}"
    letter = await house.letter("morel", "dominique", "Bonjour, dites-moi comment vous allez.", subject)
    await asyncio.gather(
        *(
            house.answer(
                "dominique", letter.conversation, f"{PARAGRAPH * 5}{WORDS[place % len(WORDS)]} {start + place}."
            )
            for place in range(EACH)
        )
    )


async def serve(folder: Path) -> None:
    async with open_core(settings_for(folder)) as app, imap_door(app):
        seldom_collected()
        print(app.ports["imap"], app.settings.tls_certificate, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
