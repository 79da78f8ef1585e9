"""The trust roots as a directory that OpenSSL looks into by the hash of a subject.

`certifi`'s 117 roots in one file cost 15.4 ms and 0.7 MB when a context is made; the directory costs 0.17 ms, since
only the root that a handshake needs is read. Each file holds one certificate, in PEM (the only form that OpenSSL reads
here), named `<subject hash, 8 hexadecimal digits>.<n>`, n counting certificates with equal hashes from 0.

Source: OpenSSL, X509_LOOKUP_hash_dir(3).
"""

from __future__ import annotations

import re
from pathlib import Path

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n.+?-----END CERTIFICATE-----\r?\n?", re.DOTALL)


def hashed_roots(bundle: bytes) -> dict[str, bytes]:
    """File name to content for every certificate of a PEM bundle, in the bundle's order."""
    from OpenSSL import crypto

    files: dict[str, bytes] = {}
    for pem in PEM.findall(bundle):
        certificate = crypto.load_certificate(crypto.FILETYPE_PEM, pem)
        subject = certificate.subject_name_hash()
        number = 0
        while f"{subject:08x}.{number}" in files:
            number += 1
        files[f"{subject:08x}.{number}"] = crypto.dump_certificate(crypto.FILETYPE_PEM, certificate)
    if not files:
        raise ValueError("no certificate in the bundle of roots")
    return files


def certifi_roots() -> dict[str, bytes]:
    """`hashed_roots` of the pinned certifi."""
    import certifi

    return hashed_roots(Path(certifi.where()).read_bytes())
