"""A mail door that throws everything away, to prove that the load client is not the limit of what it measures.

One forked process a connection, blocking TLS, no parsing: it looks for the final dot and says 250. It speaks enough
SMTP for `tests.speed.load` and nothing else. What the client reaches here is the most it can measure; the table
prints it.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for `name` and its key, as two PEM files in `folder`; valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    paths[1].chmod(0o600)
    return str(paths[0]), str(paths[1])


@contextlib.contextmanager
def sink(folder: Path) -> Iterator[int]:
    """The sink's port, while it runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, "sink.example"))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        child = os.fork()
        if child == 0:
            _accept(listening, context)
        try:
            yield listening.getsockname()[1]
        finally:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)


def _accept(listening: socket.socket, context: ssl.SSLContext) -> None:
    """The forked listener: a process a connection, until it is told to stop. Never returns."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        sock, _ = listening.accept()
        if os.fork() == 0:
            with contextlib.suppress(OSError):
                _session(sock, context)
            os._exit(0)
        sock.close()


def _session(sock: socket.socket, context: ssl.SSLContext) -> None:
    """One connection: greeting, STARTTLS, then letters until the peer hangs up."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b"220 sink.example ESMTP\r\n")
    pending = b""
    while True:
        data = sock.recv(65536)
        if not data:
            return
        pending += data
        while b"\r\n" in pending:
            line, _, pending = pending.partition(b"\r\n")
            verb = line[:4].upper()
            if verb == b"EHLO":
                sock.sendall(b"250-sink.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n")
            elif verb == b"STAR":
                sock.sendall(b"220 go\r\n")
                sock = context.wrap_socket(sock, server_side=True)
            elif verb == b"DATA":
                sock.sendall(b"354 go\r\n")
                _swallow(sock, pending)
                pending = b""
                sock.sendall(b"250 gone\r\n")
            else:
                sock.sendall(b"250 ok\r\n")


def _swallow(sock: socket.socket, pending: bytes) -> None:
    """Read and forget a letter up to its final dot."""
    last = pending[-5:]
    while last != b"\r\n.\r\n":
        data = sock.recv(65536)
        if not data:
            raise ConnectionResetError
        last = (last + data[-5:])[-5:]
