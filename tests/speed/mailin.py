"""Mail in: letters accepted a second, by Pli's doors, by Postfix, by Dovecot's LMTP, in turn.

Ours is the whole path: a trusted peer (client certificate) or a signed-in one, the letter parsed, sealed, committed
with `synchronous=FULL` and standing in the patient's mailbox before the 250. Postfix's 250 says that its queue file
is safe; how many of those letters reach a mailbox in a second stands beside it (`delivered`). The goal is held
against what Postfix accepts while it delivers, which is what it does all day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.speed.house import House
from tests.speed.load import Load, Refused, Result, Target, run_apart
from tests.speed.messages import SIZES, TITLES, Size
from tests.speed.peers import DOMAIN, Peers
from tests.speed.sink import sink
from tests.speed.table import Row, rate

RECIPIENTS = 40  # mailboxes that the letters go round
GOALS = {10: 1.2, 1: 0.7}  # connections: times what Postfix accepts
MOST: dict[Size, int] = {"text": 5000, "pdf": 3000, "zip": 1500}  # letters made ready for a second of measuring


@dataclass(slots=True)
class _Figures:
    """What the rounds gave for one size and number of connections, letters a second."""

    pli: list[float] = field(default_factory=list)
    submission: list[float] = field(default_factory=list)
    postfix: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    lmtp: list[float] = field(default_factory=list)


def measure(house: House, peers: Peers | None, folder: Path, rounds: int, seconds: float) -> list[Row]:
    """The rows of the table; progress on the way is not printed."""
    rows = [_proof(folder, seconds)]
    figures: dict[tuple[Size, int], _Figures] = {(size, count): _Figures() for count in GOALS for size in SIZES}
    sent = before = house.messages()
    for number in range(rounds):
        for (size, connections), known in figures.items():
            turns = ["pli", "peers"] if number % 2 else ["peers", "pli"]
            for turn in turns:
                if turn == "pli":
                    sent += _ours(house, size, connections, seconds, known)
                elif peers is not None:
                    _theirs(peers, size, connections, seconds, known)
    for (size, connections), known in figures.items():
        rows += _rows(size, connections, known)
    kept = house.messages()
    rows.append(Row("every 250 of Pli is one message", f"{sent - before:,}", f"{kept - before:,}", met=kept == sent))
    return rows


def _ours(house: House, size: Size, connections: int, seconds: float, known: _Figures) -> int:
    """Both doors; how many letters they took."""
    mx = _run(house.mx(), size, connections, seconds, house.recipients(RECIPIENTS))
    known.pli.append(mx.rate)
    if connections == 1 or size != "text":
        return mx.accepted
    signed_in = _run(house.submission(), size, connections, seconds, house.recipients(RECIPIENTS))
    known.submission.append(signed_in.rate)
    return mx.accepted + signed_in.accepted


def _theirs(peers: Peers, size: Size, connections: int, seconds: float, known: _Figures) -> None:
    recipients = [f"{number}@{DOMAIN}" for number in range(RECIPIENTS)]
    peers.clear()
    accepted = _run(peers.smtp(), size, connections, seconds, recipients)
    known.postfix.append(accepted.rate)
    last = peers.wait_delivered(recipients, accepted.accepted, 120)
    known.delivered.append(accepted.accepted / (last - accepted.began))
    if connections > 1:
        peers.clear()
        known.lmtp.append(_run(peers.lmtp(), size, connections, seconds, recipients).rate)
    peers.clear()


def _run(target: Target, size: Size, connections: int, seconds: float, recipients: list[str]) -> Result:
    result = run_apart(Load(target, size, connections, seconds, int(MOST[size] * seconds), recipients))
    if result.refused:
        raise Refused(f"{sum(result.refused.values())} letters refused: {next(iter(result.refused))}")
    return result


def _proof(folder: Path, seconds: float) -> Row:
    """What the load client reaches when nothing is done with its letters."""
    with sink(folder) as port:
        reached = {
            size: run_apart(Load(Target(port), size, 10, min(seconds, 1.5), 4 * MOST[size], [f"a@{DOMAIN}"]))
            for size in SIZES
        }
    text = ", ".join(
        f"{TITLES[size].split(' with')[0].split(' text')[0]} {rate(result.rate)}" for size, result in reached.items()
    )
    cpu = reached["text"].cpu / reached["text"].accepted * 1e6
    return Row("the load client alone, into a sink", "not the limit", f"{text} ({cpu:.0f} µs of CPU a small letter)")


def _rows(size: Size, connections: int, known: _Figures) -> list[Row]:
    what = f"{TITLES[size]}, {connections} connection{'s' if connections > 1 else ''}"
    ours = median(known.pli)
    spread = f" ({min(known.pli):,.0f} to {max(known.pli):,.0f})" if len(known.pli) > 1 else ""
    factor = GOALS[connections]
    if not known.postfix:
        signed = f"; signed in {rate(median(known.submission))}" if known.submission else ""
        return [Row(what, f"{factor} × Postfix", rate(ours) + spread + signed)]
    postfix, delivered = median(known.postfix), median(known.delivered)
    beside = f"Postfix accepts {rate(postfix)}, delivers {rate(delivered)}"
    if known.lmtp:
        beside += f", Dovecot LMTP alone {rate(median(known.lmtp))}"
    ratio = ours / postfix
    goal = f"{factor} × Postfix"
    shown = f"{rate(ours)}{spread}: {ratio:.2f} × accepted, {ours / delivered:.2f} × delivered"
    rows = [Row(what, goal, shown, beside, ratio >= factor)]
    if known.submission:
        ratio = median(known.submission) / postfix
        shown = f"{rate(median(known.submission))}: {ratio:.2f} × accepted"
        rows.append(Row(f"{what}, signed in", goal, shown, "", ratio >= factor))
    return rows
