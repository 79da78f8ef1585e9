"""A certificate authority that lives for one test or one run, so that the local intake can speak TLS."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Final

import trustme

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""Names that a certificate of the local intake is made out for."""


class ThrowAwayAuthority:
    """A private certificate authority in memory.

    Attributes:
        pem: Its root certificate, PEM: what a client must trust (`DD_TLS_CERT_FILE`).
    """

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self.pem = self._authority.cert_pem.bytes()

    def server_context(
        self,
        *names: str,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> ssl.SSLContext:
        """Return the server side of TLS with a fresh certificate for these names, `LOCAL_NAMES` when none is given.

        An expired or not yet valid certificate comes from the two dates; other misfits (protocol versions, ciphers)
        are set on the context that is returned.
        """
        certificate = self._authority.issue_cert(*(names or LOCAL_NAMES), not_before=not_before, not_after=not_after)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the client side of TLS that trusts this authority and nobody else."""
        return ssl.create_default_context(cadata=self.pem.decode())

    def write_pem(self, path: Path) -> Path:
        """Write the root certificate to a file and return its path."""
        path.write_bytes(self.pem)
        return path
