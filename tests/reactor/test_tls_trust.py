"""Whom the client trusts over TLS, and what it says about the others."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.reactor.authorities import Authority, echo, over_tls, self_signed_context, serving
from tests.reactor.rig import run
from thimble.reactor.errors import TlsFailed
from thimble.reactor.loop import Loop
from thimble.reactor.streams import connect
from thimble.reactor.tls import TlsContext


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def talk(port: int, context: TlsContext, host: str = "localhost") -> str:
    """Shake hands and send a few bytes for an echo; the reason when that fails."""

    async def main(loop: Loop) -> str:
        deadline_ns = loop.deadline_in_ms(20_000)
        raw = await connect(loop, 2, "127.0.0.1", port, deadline_ns)
        try:
            stream = await context.wrap(raw, host, deadline_ns)
        except TlsFailed as error:
            assert raw.is_closed
            return str(error)
        await stream.send(b"hello", deadline_ns)
        answer = await stream.receive(100, deadline_ns)
        stream.close()
        return answer.decode()

    found: str = run(main)
    return found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("place", ["file", "directory", "both"])
def test_a_private_authority_is_trusted_from_a_file_and_from_a_hashed_directory(
    authority: Authority, version: ssl.TLSVersion, place: str
) -> None:
    server = authority.server_context()
    server.minimum_version = server.maximum_version = version
    directory = str(authority.directory) if place != "file" else ""
    file = str(authority.file) if place != "directory" else ""
    with serving(over_tls(server, echo)) as port:
        assert talk(port, TlsContext(directory, file, True)) == "hello"


def refusal(authority: Authority, server: ssl.SSLContext, host: str = "localhost", is_verified: bool = True) -> str:
    with serving(over_tls(server, echo)) as port:
        return talk(port, TlsContext("", str(authority.file), is_verified), host)


def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    server = authority.server_context(days=(-30, -1))
    assert refusal(authority, server) == "certificate not accepted: certificate has expired"


def test_a_server_that_is_refused_is_told_why(authority: Authority) -> None:
    told: list[str] = []

    def handle(connection: socket.socket) -> None:
        try:
            authority.server_context(days=(-30, -1)).wrap_socket(connection, server_side=True).recv(1)
        except ssl.SSLError as error:
            told.append(error.reason)

    with serving(handle) as port:
        talk(port, TlsContext("", str(authority.file), True))
    assert told == ["SSLV3_ALERT_CERTIFICATE_EXPIRED"]


def test_a_certificate_of_tomorrow_is_refused(authority: Authority) -> None:
    server = authority.server_context(days=(1, 30))
    assert refusal(authority, server) == "certificate not accepted: certificate is not yet valid"


def test_a_self_signed_certificate_is_refused_and_its_issuer_named(authority: Authority, tmp_path: Path) -> None:
    found = refusal(authority, self_signed_context(tmp_path))
    assert found == "certificate not accepted: self-signed certificate; issued by commonName=self-made.example"


def test_an_unknown_issuer_is_refused_and_named(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Inspecting Proxy")
    assert refusal(authority, other.server_context()) == (
        "certificate not accepted: unable to get local issuer certificate; "
        "issued by organizationName=Inspecting Proxy, organizationalUnitName=Root"
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_unknown_root_that_the_server_shows_too_is_named(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    other = Authority(tmp_path, "Inspecting Proxy")
    leaf = other.issue()
    chain = tmp_path / "chain.pem"
    chain.write_bytes(leaf.private_key_and_cert_chain_pem.bytes() + other.file.read_bytes())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    server.maximum_version = version
    found = refusal(authority, server)
    assert found.startswith("certificate not accepted: self-signed certificate in certificate chain; issued by ")
    assert "Inspecting Proxy" in found


def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    found = refusal(authority, authority.server_context("other.example"))
    assert found == ("certificate not accepted: Hostname mismatch, certificate is not valid for 'localhost'.")


@pytest.mark.parametrize(
    ("names", "host", "is_taken"),
    [
        (("127.0.0.1",), "127.0.0.1", True),
        (("127.0.0.2",), "127.0.0.1", False),
        (("127.0.0.1",), "localhost", False),
        (("::1",), "::1", True),
        (("*.example.test",), "intake.example.test", True),
        (("*.example.test",), "example.test", False),
        (("*.example.test",), "a.b.example.test", False),
        (("Example.TEST",), "example.test", True),
        (("example.test",), "example.test.", False),
    ],
)
def test_host_and_certificate_have_to_match(
    authority: Authority, names: tuple[str, ...], host: str, is_taken: bool
) -> None:
    found = refusal(authority, authority.server_context(*names), host)
    if is_taken:
        assert found == "hello"
    else:
        assert "mismatch" in found
        assert host in found


def test_without_verification_everything_is_taken(authority: Authority, tmp_path: Path) -> None:
    assert refusal(authority, self_signed_context(tmp_path), is_verified=False) == "hello"
    assert refusal(authority, authority.server_context("other.example", days=(-9, -1)), is_verified=False) == "hello"


@pytest.mark.parametrize("host", ["", ".example.test", "b\xfccher.example", "a\0b"])
def test_a_name_that_cannot_be_verified_is_refused_before_a_byte_is_sent(authority: Authority, host: str) -> None:
    assert refusal(authority, authority.server_context(), host).startswith(f"{host}: ")


def test_tls_1_1_is_refused(authority: Authority) -> None:
    server = authority.server_context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")
    found = refusal(authority, server)
    assert "protocol version" in found or "unsupported protocol" in found


def test_an_authority_without_a_certificate_in_its_file_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    with pytest.raises(TlsFailed, match=f"{empty}: "):
        TlsContext("", str(empty), True)
    with pytest.raises(TlsFailed, match=r"/nowhere/ca\.pem: No such file or directory"):
        TlsContext("", "/nowhere/ca.pem", True)


def test_a_second_authority_adds_to_the_first(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Second")
    context = TlsContext(str(authority.directory), str(other.file), True)
    for server in (authority.server_context(), other.server_context()):
        with serving(over_tls(server, echo)) as port:
            assert talk(port, context) == "hello"
