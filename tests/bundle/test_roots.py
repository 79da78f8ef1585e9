"""The layer brings all it needs: it runs where there is nothing else, and where everything else is broken."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

LIBRARY_FOLDERS = ("lib", "lib64", "usr/lib", "usr/lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu")


def assert_lived_well(record):
    """It registered, subscribed, delivered the function's line, ended by itself and said nothing it need not say."""
    assert record["stderr"] == ""
    assert [line for line in record["stdout"].splitlines() if not line.startswith("Exiting")] == []
    assert record["is_ended"], record["stdout"]
    assert record["exit_code"] == 0
    assert [(request["method"], request["path"]) for request in record["api"]] == [
        ("POST", "/2020-01-01/extension/register"),
        ("PUT", "/2022-07-01/telemetry"),
    ]
    logs = [request for request in record["intake"] if request.get("path") == "/api/v2/logs"]
    entries = [entry for request in logs for entry in json.loads(request["body"])]
    messages = [entry["message"]["message"] for entry in entries if isinstance(entry["message"], dict)]
    assert any("hello from the function" in message for message in messages), record["intake"]


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Path]:
    """A private authority, and a certificate of it for the address of the intake."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "intake.example")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "leaf.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return {"leaf": tmp_path / "leaf.pem", "authority": tmp_path / "authority.pem"}


@pytest.mark.parametrize("has_proc", [False, True], ids=["no proc", "proc"])
def test_it_lives_in_a_root_with_nothing_but_the_layer_and_tmp(play, empty_root, has_proc):
    record = play(root=empty_root, proc=has_proc)
    assert_lived_well(record)
    assert record["comm"] == "thimble"
    inside = [name.removeprefix(str(empty_root)) for name in record["maps"]]
    assert {Path(name).parts[:3] for name in inside} == {("/", "opt", "thimble")}


def test_it_speaks_verified_tls_in_an_empty_root(play, empty_root, certificate):
    (empty_root / "tmp").mkdir()
    shutil.copy(certificate["authority"], empty_root / "tmp" / "authority.pem")
    record = play(root=empty_root, certificate=certificate["leaf"], environ={"DD_TLS_CERT_FILE": "/tmp/authority.pem"})
    assert_lived_well(record)


def test_it_refuses_an_intake_whose_issuer_it_does_not_know(play, empty_root, certificate):
    record = play(root=empty_root, certificate=certificate["leaf"])
    assert [request for request in record["intake"] if "path" in request] == []
    assert record["exit_code"] == 0
    assert "certificate" in record["stdout"].lower()


def test_it_resolves_names_from_the_hosts_file_of_the_root(play, empty_root, certificate):
    for folder in ("etc", "tmp"):
        (empty_root / folder).mkdir()
    (empty_root / "etc" / "hosts").write_text("127.0.0.1 intake.example\n")
    shutil.copy(certificate["authority"], empty_root / "tmp" / "authority.pem")
    record = play(
        root=empty_root,
        certificate=certificate["leaf"],
        host="intake.example",
        environ={"DD_TLS_CERT_FILE": "/tmp/authority.pem"},
    )
    assert_lived_well(record)


def poison(root: Path, layer: Path) -> None:
    """Put a file that no loader accepts wherever one might look for a library that the bundle uses."""
    for folder in LIBRARY_FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for library in (layer / "thimble" / "lib").glob("*.so*"):
            (root / folder / library.name).write_bytes(b"poison")
    (root / "etc").mkdir(exist_ok=True)
    for name in ("ld.so.cache", "ld.so.preload", "ld.so.conf", "localtime"):
        (root / "etc" / name).write_bytes(b"/lib/libc.so.6\n")


def test_it_takes_no_library_of_a_musl_image(play, empty_root, layer, certificate):
    poison(empty_root, layer)
    (empty_root / "tmp").mkdir()
    musl = next(iter(sorted(Path("/lib").glob("ld-musl-*.so.1"))), None)
    if musl is not None:  # a real musl image has its libc under this name; ours must not care
        shutil.copy(musl, empty_root / "lib" / musl.name)
        shutil.copy(musl, empty_root / "lib" / "libc.so")
    shutil.copy(certificate["authority"], empty_root / "tmp" / "authority.pem")
    record = play(root=empty_root, certificate=certificate["leaf"], environ={"DD_TLS_CERT_FILE": "/tmp/authority.pem"})
    assert_lived_well(record)


def test_settings_of_the_customer_for_loader_libc_python_and_openssl_have_no_effect(
    play, empty_root, layer, certificate, tmp_path
):
    """Each of these breaks or changes a process that heeds it; the preload leaves a mark."""
    for folder in ("tmp/libs", "tmp/python", "usr/lib/ssl"):
        (empty_root / folder).mkdir(parents=True)
    source = tmp_path / "preload.c"
    source.write_text(
        "#include <fcntl.h>\n"
        'static void __attribute__((constructor)) mark(void) { open("/tmp/mark", O_CREAT | O_WRONLY, 0600); }\n'
    )
    preload = empty_root / "tmp" / "preload.so"
    subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", str(preload)], check=True)
    for library in (layer / "thimble" / "lib").glob("*.so*"):
        (empty_root / "tmp" / "libs" / library.name).write_bytes(b"poison")
    for module in ("encodings", "orjson", "typing", "sitecustomize"):
        (empty_root / "tmp" / "python" / f"{module}.py").write_text("open('/tmp/mark', 'w')\n")
    for path in ("tmp/openssl.cnf", "usr/lib/ssl/openssl.cnf"):
        (empty_root / path).write_text("openssl_conf = broken\n[broken]\nssl_conf = missing\nproviders = missing\n")
    shutil.copy(certificate["authority"], empty_root / "tmp" / "authority.pem")
    record = play(
        root=empty_root,
        certificate=certificate["leaf"],
        environ={
            "DD_TLS_CERT_FILE": "/tmp/authority.pem",
            "LD_PRELOAD": "/tmp/preload.so", "LD_LIBRARY_PATH": "/tmp/libs", "LD_DEBUG": "all", "LD_BIND_NOW": "1",
            "GLIBC_TUNABLES": "glibc.malloc.check=3", "MALLOC_PERTURB_": "85", "MALLOC_TRACE": "/tmp/mark",
            "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr", "TZ": "Asia/Tokyo",
            "PYTHONHOME": "/nowhere", "PYTHONPATH": "/tmp/python", "PYTHONSTARTUP": "/tmp/python/typing.py",
            "PYTHONVERBOSE": "3", "PYTHONDEVMODE": "1", "PYTHONUTF8": "0", "PYTHONMALLOC": "debug",
            "OPENSSL_CONF": "/tmp/openssl.cnf", "OPENSSL_MODULES": "/tmp/libs", "SSL_CERT_FILE": "/nowhere",
            "SSL_CERT_DIR": "/nowhere",
            "_PYI_ARCHIVE_FILE": "/tmp/mark", "_PYI_APPLICATION_HOME_DIR": "/tmp", "_PYI_PARENT_PROCESS_LEVEL": "7",
            "PYINSTALLER_STRICT_UNPACK_MODE": "1", "PYINSTALLER_RESET_ENVIRONMENT": "1",
        },
    )  # fmt: skip
    assert_lived_well(record)
    assert not (empty_root / "tmp" / "mark").exists()
