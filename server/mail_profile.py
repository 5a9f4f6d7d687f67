"""A configuration profile for an iPhone, an iPad or a Mac: one mail account, read and written here (Apple's
Configuration Profile Reference, payload `com.apple.mail.managed`).

Promises: no password stands in it, the device asks for it; the same account has the same identifiers each time, so that
a newer profile takes the place of the older one. What would carry patients' addresses to somebody's cloud is switched
off: recent addresses, large files, answers from another account.

`signed` shows that it comes from the door people know (CMS, RFC 5652), when this process can read its certificate.
"""

from __future__ import annotations

import plistlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

if TYPE_CHECKING:
    from server.mail_servers import Servers
    from server.settings import Settings

_OURS = uuid.UUID("6f1d7a52-2f3b-5c0e-9c55-0d7a1b0c4e11")  # every identifier of ours is derived from it


def profile(told: Servers, name: str, address: str, removal: str) -> bytes:
    """The property list, unsigned. `removal`: the sentence that a device shows beside it. `told` has a server of each
    kind.
    """
    reversed_domain = ".".join(reversed(told.domain.split(".")))
    same = uuid.uuid5(_OURS, f"{told.domain} {address.lower()}")
    reading, writing = told.reading[0], told.writing[0]
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{reversed_domain}.mail.{same}.account",
        "PayloadUUID": str(uuid.uuid5(same, "account")).upper(),
        "PayloadDisplayName": f"Pli – {address}",
        "EmailAccountDescription": "Pli",
        "EmailAccountName": name,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": reading.host,
        "IncomingMailServerPortNumber": reading.port,
        "IncomingMailServerUseSSL": True,  # with STARTTLS where the port speaks it: a device finds out
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": writing.host,
        "OutgoingMailServerPortNumber": writing.port,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
        "PreventMove": True,  # neither moved to, nor answered from, another account
        "disableMailRecentsSyncing": True,  # a patient's address holds their number: it is synchronised nowhere
        "allowMailDrop": False,  # a large file would lie with the maker of the device
        "SMIMEEnabled": False,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": f"{reversed_domain}.mail.{same}",
            "PayloadUUID": str(same).upper(),
            "PayloadDisplayName": "Pli",
            "PayloadDescription": removal,
            "PayloadOrganization": told.domain,
            "PayloadRemovalDisallowed": False,
            "PayloadScope": "User",
            "PayloadContent": [account],
        }
    )


def signer(settings: Settings) -> str:
    """The name on the certificate that signs, or '' when this process can read none. Reads files."""
    try:
        chain, _ = _certificate(settings)
        names = chain[0].subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return ""
    return str(names[0].value) if names else settings.mail_domain


def signed(settings: Settings, content: bytes) -> bytes:
    """The content in a CMS envelope, in DER, with the certificate's chain; as it is when there is none. Reads files."""
    try:
        chain, key = _certificate(settings)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return content
    builder = PKCS7SignatureBuilder().set_data(content).add_signer(chain[0], key, hashes.SHA256())
    for above in chain[1:]:
        builder = builder.add_certificate(above)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary])


def _certificate(settings: Settings) -> tuple[list[x509.Certificate], RSAPrivateKey | EllipticCurvePrivateKey]:
    if not (settings.tls_certificate and settings.tls_key):
        raise ValueError("none")
    chain = x509.load_pem_x509_certificates(Path(settings.tls_certificate).read_bytes())
    key = load_pem_private_key(Path(settings.tls_key).read_bytes(), None)
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise TypeError("CMS is signed by RSA or by an elliptic curve here")
    return chain, key
