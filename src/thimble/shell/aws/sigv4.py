"""Signature Version 4 for the requests we make: POST to `/`, no query, every given header signed.

By hand, since a flow of 40 lines is all that is needed; the tests compare it with botocore. SHA-256 comes from the
interpreter's own `_sha256`: `hashlib` and `hmac` cost 3 ms and load OpenSSL's half of them.

Source: AWS IAM User Guide, "Create a signed AWS API request"; RFC 2104 for HMAC.
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

import _sha256  # type: ignore[import-not-found]  # the wrapper in `hashlib` is what costs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from thimble.shell.aws.credentials import Credentials

ALGORITHM: Final = "AWS4-HMAC-SHA256"
BLOCK_BYTES: Final = 64
"""Block size of SHA-256, which HMAC pads its key to."""


def sha256_hex(data: bytes) -> str:
    digest: str = _sha256.sha256(data).hexdigest()
    return digest


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC of `data`; a key above the block size is hashed first."""
    if len(key) > BLOCK_BYTES:
        key = _sha256.sha256(key).digest()
    key = key.ljust(BLOCK_BYTES, b"\0")
    inner = _sha256.sha256(bytes(byte ^ 0x36 for byte in key) + data).digest()
    digest: bytes = _sha256.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()
    return digest


def canonical_request(headers: list[tuple[str, str]], body: bytes) -> str:
    """The text whose hash is signed.

    Args:
        headers: Lower-case names in alphabetical order; values without outer or repeated spaces.
        body: The bytes as they will be sent.
    """
    lines = ["POST", "/", ""]
    lines.extend(f"{name}:{value}" for name, value in headers)
    lines += ["", ";".join(name for name, _ in headers), sha256_hex(body)]
    return "\n".join(lines)


def signature(secret: str, stamp: str, region: str, service: str, canonical: str) -> str:
    """Hexadecimal signature of a canonical request made at `stamp` (`20260102T030405Z`)."""
    date = stamp[:8]
    text = "\n".join((ALGORITHM, stamp, f"{date}/{region}/{service}/aws4_request", sha256_hex(canonical.encode())))
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request", text):
        key = hmac_sha256(key, part.encode())
    return key.hex()


def authorization(
    credentials: Credentials, stamp: str, region: str, service: str, headers: list[tuple[str, str]], body: bytes
) -> str:
    """The value of the `Authorization` header; arguments as in `canonical_request` and `signature`."""
    signed = signature(credentials.secret_key, stamp, region, service, canonical_request(headers, body))
    return (
        f"{ALGORITHM} Credential={credentials.access_key}/{stamp[:8]}/{region}/{service}/aws4_request, "
        f"SignedHeaders={';'.join(name for name, _ in headers)}, Signature={signed}"
    )


def time_stamp(unix_seconds: float) -> str:
    """`20260102T030405Z`."""
    from time import gmtime, strftime

    return strftime("%Y%m%dT%H%M%SZ", gmtime(unix_seconds))
