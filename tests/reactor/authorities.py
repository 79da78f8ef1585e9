"""Throw-away certificates of every kind, and TLS servers that use them."""

from __future__ import annotations

import datetime
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "127.0.0.1")


class Authority:
    """A private certificate authority below a folder.

    Attributes:
        file: Its root certificate, PEM.
        directory: A hashed directory (OpenSSL `capath`) with that root.
    """

    def __init__(self, folder: Path, name: str = "Thimble Test") -> None:
        self.folder = folder / name.replace(" ", "-")
        self.directory = self.folder / "hashed"
        self.directory.mkdir(parents=True)
        self.authority = trustme.CA(organization_name=name, organization_unit_name="Root")
        self.file = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.file))
        (self.directory / f"{subject_hash(self.file)}.0").write_bytes(self.file.read_bytes())

    def issue(self, *names: str, days: tuple[int, int] = (-1, 30)) -> trustme.LeafCert:
        """A server's certificate for `names`, valid from and until so many days from now."""
        now = datetime.datetime.now(datetime.UTC)
        begin, end = (now + datetime.timedelta(days=count) for count in days)
        return self.authority.issue_cert(*(names or NAMES), not_before=begin, not_after=end)

    def server_context(self, *names: str, days: tuple[int, int] = (-1, 30)) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.issue(*names, days=days).configure_cert(context)
        return context

    def key_files(self) -> tuple[Path, Path]:
        """Key and certificate chain of a fresh server certificate, as files for servers of other makes."""
        leaf = self.issue()
        key, chain = self.folder / "key.pem", self.folder / "chain.pem"
        key.write_bytes(leaf.private_key_pem.bytes())
        chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        return key, chain


def subject_hash(certificate: Path) -> str:
    """The name that OpenSSL looks a root up by."""
    command = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(certificate)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def self_signed_context(folder: Path) -> ssl.SSLContext:
    """A server whose certificate is signed by its own key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self-made.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen, and let `handle` have each connection in a thread of its own; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    over = threading.Event()
    handlers: list[threading.Thread] = []

    def play(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(20)
            try:
                handle(connection)
            except (OSError, EOFError):
                return

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if over.is_set():
                connection.close()
                return
            handlers.append(threading.Thread(target=play, args=(connection,)))
            handlers[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield port
    finally:
        over.set()
        with socket.create_connection(("127.0.0.1", port)):
            pass
        acceptor.join(20)
        for handler in handlers:
            handler.join(20)
        listener.close()


def over_tls(context: ssl.SSLContext, handle: Callable[[ssl.SSLSocket], None]) -> Callable[[socket.socket], None]:
    """The handler for `serving` that shakes hands first."""

    def shake_hands(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            handle(wrapped)

    return shake_hands


def echo(wrapped: ssl.SSLSocket) -> None:
    """Send back what comes, until the peer ends."""
    while data := wrapped.recv(65536):
        wrapped.sendall(data)
