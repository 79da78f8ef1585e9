"""The trust roots: every one that certifi carries, found by OpenSSL under the name we gave it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import ca
import certifi
import contents
import pytest
import trustme


@pytest.fixture(scope="session")
def directory(layer) -> Path:
    return layer / contents.CERTIFICATES


def test_every_root_of_certifi_is_in_the_layer_once(directory):
    count = Path(certifi.where()).read_text().count("BEGIN CERTIFICATE")
    files = sorted(directory.iterdir())
    assert len(files) == count > 100
    assert len({path.read_bytes() for path in files}) == count


def test_openssl_finds_every_root_by_its_hash(directory):
    """The verifier is given the folder alone: a root is its own issuer, so it is found only if the name is right."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is not installed")
    roots = [str(path) for path in sorted(directory.iterdir())]
    command = ["openssl", "verify", "-no-CAfile", "-no_check_time", "-CApath", str(directory), *roots]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == [f"{root}: OK" for root in roots], result.stderr


def test_roots_with_equal_hashes_are_counted():
    """Two authorities of one name: OpenSSL reads `.0`, then `.1`, until a signature fits."""
    names = {"organization_name": "Same", "organization_unit_name": "Same"}
    one, two = trustme.CA(**names), trustme.CA(**names)
    files = ca.hashed_roots(one.cert_pem.bytes() + b"comment\r\n" + two.cert_pem.bytes())
    assert sorted(name.partition(".")[2] for name in files) == ["0", "1"]
    assert len({name.partition(".")[0] for name in files}) == 1
    assert list(files.values()) == [one.cert_pem.bytes(), two.cert_pem.bytes()]


def test_a_context_with_the_folder_trusts_what_the_folder_holds(tmp_path):
    """A handshake between two memory buffers, the authority known only by its hashed file."""
    authority = trustme.CA()
    for name, pem in ca.hashed_roots(authority.cert_pem.bytes()).items():
        (tmp_path / name).write_bytes(pem)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(capath=str(tmp_path))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("intake.example").configure_cert(server)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    peers = [
        client.wrap_bio(to_client, to_server, server_hostname="intake.example"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for peer in peers:
            try:
                peer.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert peers[0].getpeercert()["subject"]


def test_text_without_a_certificate_is_refused():
    with pytest.raises(ValueError, match="no certificate"):
        ca.hashed_roots(b"-----BEGIN NOTHING-----\n")
