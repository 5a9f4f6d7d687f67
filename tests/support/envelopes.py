"""Letters signed as one piece (S/MIME), by the program everybody has."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.certificates import Certificates
from tests.support.programs import program


def envelope(content: bytes, *options: str) -> bytes:
    """A SignedData that carries its content; with `-stream`, written without telling lengths ahead."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Certificates.at(Path(folder)).operator()
        command = [program("openssl"), "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", *options]
        command += ["-signer", str(certificate), "-inkey", str(key)]
        return subprocess.run(command, input=content, capture_output=True, check=True).stdout
