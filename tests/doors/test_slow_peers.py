"""Mail servers that dawdle over a letter, while people are at the chat."""

from __future__ import annotations

import contextlib

from mail_gateway import trust
from tests.browser.sockets import client
from tests.certificates import Certificates, client_context
from tests.house import House
from tests.mail_house import FROM, TO_MARCEL, plain
from tests.wire import Wire, connected

SLOW = 50


async def begin(wire: Wire, number: int) -> bytes:
    """A letter's first half; the rest of it."""
    assert {said[:3] for said in await wire.envelope(FROM, TO_MARCEL)} == {"250"}
    assert (await wire.say("DATA")).startswith("354")
    letter = plain("a" * 900 + "\n" + "b" * 900, message_id=f"<{number}@operator.example>") + b".\r\n"
    half = len(letter) // 2
    await wire.send(letter[:half])
    return letter[half:]


async def test_fifty_peers_in_the_middle_of_a_letter_hold_up_nobody_at_the_chat(house: House) -> None:
    """Dominique is answered while all fifty still wait; then their letters arrive all the same."""
    made = Certificates.at(house.app.settings.data_dir / "certificates")
    await trust.add(house.app, "operator.example", made.operator()[0].read_bytes())
    context = client_context(made.ours.certificate, made.operator())
    letter = await house.letter("morel", "dominique")
    async with contextlib.AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(connected(house.app.ports["smtp"], context)) for _ in range(SLOW)]
        rests = [await begin(wire, number) for number, wire in enumerate(slow)]
        dominique = await stack.enter_async_context(client(house, "dominique"))
        for number in range(5):
            said = {"conversation": letter.conversation, "text": f"n° {number}", "client_key": f"{number}"}
            assert (await dominique.ask("post", said))["message"]
        await dominique.until(lambda: dominique.texts()[-1:] == ["n° 4"])
        another = await stack.enter_async_context(connected(house.app.ports["smtp"], context))
        assert (await another.say(f"MAIL FROM:<{FROM}>")).startswith("250"), "nor another letter of theirs"
        for wire, rest in zip(slow, rests, strict=True):
            await wire.send(rest)
        assert [(await wire.hear())[:3] for wire in slow] == ["250"] * SLOW
    async with client(house, "marcel") as marcel:
        page = await marcel.ask("sync", {"cursor": 0, "limit": 200})
    assert len([entry for entry in page["entries"] if entry["message"]["text"].startswith("aaa")]) == SLOW
