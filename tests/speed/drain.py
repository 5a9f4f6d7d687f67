"""How soon a full queue is empty: answers of patients owed to one operator, whose mail server is Postfix.

A process of its own (`python -m tests.speed.drain`) seeds a Pli with `COUNT` answers that are owed and none that left,
then starts its delivery worker and waits until nothing is owed. Postfix asks for a client certificate and verifies it,
writes each letter to its queue with fsync before its 250, and discards it after. Each letter is a message of its own,
rendered, kept (the same octets for ever), signed or not, and its delivery recorded.

Beside it, what the same Postfix takes from the load client over as many connections, with letters of about that size:
a queue that kept up with it would lose nothing to us.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from server import access, people
from server.drafts import Draft, Opening
from server.posting import post
from server.settings import Settings
from storage.database import Tx
from tests.certificates import Certificates
from tests.speed import crowd
from tests.speed.cast import traits
from tests.speed.load import Load, Target, run_apart
from tests.speed.table import Row, rate
from tests.support import postfix
from tests.support.postfix import Postfix, free_ports

if TYPE_CHECKING:
    from server.app import App

DOMAIN = "operator.example"
DOCTOR = people.correspondent(f"medecin@{DOMAIN}", "Dr Paul BERTIN")
PATIENTS = 50
CONNECTIONS = 4  # what Pli opens to one peer (`outbound.PER_PEER`)


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Letters a second, without DKIM and with; or why not."""
    if (why := postfix.missing()) is not None:
        return [Row("queue to a Postfix peer", "", f"not measured: {why}")]
    count = 200 if quick else 3000
    made = Certificates.at(folder / "drain")
    with _peer(folder, made) as port:
        plain, signed = (_drain_apart(folder, port, count, dkim) for dkim in (False, True))
        certificate, key = made.operator("pli.example")
        target = Target(
            port, ca=str(made.ours.certificate), certificate=str(certificate), key=str(key), sender=f"envoi@{DOMAIN}"
        )
        beside = run_apart(Load(target, "text", CONNECTIONS, 2.0, 4000, [DOCTOR.address]))
    taken = f"Postfix takes {rate(beside.rate)} of 1.5 kB over {CONNECTIONS} connections"
    return [
        Row(f"a queue of {count:,} letters to a Postfix peer", "", rate(count / plain), taken),
        Row("the same, signed (DKIM, RSA 2048)", "", f"{rate(count / signed)}: {plain / signed:.2f} × without"),
    ]


@contextmanager
def _peer(folder: Path, made: Certificates) -> Iterator[int]:
    """A Postfix that verifies who comes, queues with fsync, and discards."""
    (port,) = free_ports(1)
    certificate, key = made.operator(DOMAIN)
    settings = {
        "myhostname": f"mx.{DOMAIN}",
        "smtpd_recipient_restrictions": "reject_unauth_destination",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_maps": "static:all",
        "virtual_transport": "discard:",
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_req_ccert": "yes",
        "smtpd_tls_cert_file": f"{certificate}",
        "smtpd_tls_key_file": f"{key}",
        "smtpd_tls_CAfile": f"{made.ours.certificate}",
    }
    with Postfix(folder / "drain-postfix", settings, {port: {}}):
        yield port


# ---- the process of its own ------------------------------------------------------------------------------------------


def _drain_apart(folder: Path, port: int, count: int, dkim: bool) -> float:
    """Seconds to empty the queue. RuntimeError with the process's last words when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.speed.drain", str(folder), str(port), str(count), str(int(dkim))],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    return float(json.loads(done.stdout.strip().rpartition("\n")[2]))


async def _drain(folder: Path, port: int, count: int, dkim: bool) -> float:
    from mail_gateway import trust
    from mail_gateway.outbound import channels
    from server.app import open_core

    made = Certificates.at(folder / "drain")
    ours, key = made.ours.issue("pli", ["localhost", "pli.example"], server=True)
    settings = Settings(
        data_dir=folder / f"drain-pli-{dkim:d}", ins_oids=crowd.TEST_OID, demo=True, mail_relay=f"127.0.0.1:{port}",
        tls_certificate=str(ours), tls_key=str(key), tls_ca=str(made.ours.certificate),
    )  # fmt: skip
    async with open_core(_signing(settings, folder) if dkim else settings) as app:
        await trust.add(app, DOMAIN, made.operator(DOMAIN)[0].read_bytes())
        await _owe(app, count)
        for channel in channels(app):
            app.delivery.add(channel)
        idle = asyncio.Event()
        app.delivery.on_idle = idle.set
        began = time.perf_counter()
        app.delivery.start()
        states: list[tuple[str, int]] = []
        async with asyncio.timeout(240):
            while not states or any(state == "due" for state, _ in states):
                await idle.wait()  # also while what is left has an appointment
                idle.clear()
                states = await app.db.read(_states)
        took = time.perf_counter() - began
        if states != [("done", count)]:
            raise RuntimeError(f"the queue was not delivered: {states}")
        return took


def _states(tx: Tx) -> list[tuple[str, int]]:
    rows = tx.run("SELECT state, count(*) FROM deliveries WHERE channel = 'mail' GROUP BY state")
    return [(str(state), int(count)) for state, count in rows]


def _signing(settings: Settings, folder: Path) -> Settings:
    """The same with an RSA key of 2048 bits for the patients' domain, as RFC 8301 wants of a signer."""
    keys = folder / "drain-dkim"
    keys.mkdir(exist_ok=True)
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (keys / f"vitesse._domainkey.{settings.patient_domain}.pem").write_bytes(pem)
    return replace(settings, dkim_keys=str(keys))


async def _owe(app: App, count: int) -> None:
    """Patients' answers to a doctor elsewhere, `count` in all, none of them delivered yet."""

    async def one(number: int) -> None:
        patient = await people.open_space(app, traits(number))
        space = await access.patient(app, DOCTOR, crowd.ins(number))
        receipt = await post(app, DOCTOR, Draft(Opening(space, "Votre traitement"), "Comment allez-vous ?"))
        handle = await access.conversation(app, await access.mailbox(app, patient), receipt.conversation)
        for answer in range(number, count, PATIENTS):
            await post(app, patient, Draft(handle, f"Bonjour docteur, jour {answer} : je vais mieux. Merci. " * 12))

    await asyncio.gather(*map(one, range(PATIENTS)))


def main() -> None:
    """The process of its own: seconds as JSON on the last line."""
    folder, port, count, dkim = sys.argv[1:]
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        print(json.dumps(runner.run(_drain(Path(folder), int(port), int(count), dkim == "1"))))


if __name__ == "__main__":
    main()
