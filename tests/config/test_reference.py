"""The documentation of settings: complete, and never stale."""

from __future__ import annotations

import subprocess
import sys

from tests.config.fields import field_names
from tests.helpers.forms import ROOT
from thimble.config import document
from thimble.config.names import OWN, PREFIXED
from thimble.config.reference import GROUPS, REFERENCE
from thimble.config.yaml_file import NAMES

FOLDED = {"compression_level", "serverless_logs_enabled", "extra_tags"}
CONVENTIONAL = {"no_proxy", "proxy_aws"}
"""Fields that come from `HTTPS_PROXY` and `NO_PROXY` alone."""


def test_every_field_has_an_entry_and_every_entry_a_field() -> None:
    assert set(REFERENCE) - FOLDED == set(field_names()) - CONVENTIONAL
    assert set(REFERENCE) == {field for table in (PREFIXED, OWN) for field, _ in table.values()}


def test_every_entry_says_what_the_setting_does_and_for_whom() -> None:
    for field, entry in REFERENCE.items():
        assert entry.meaning.endswith("."), field
        assert entry.who, field
        assert entry.group in GROUPS, field


def test_every_number_has_bounds_and_every_measure_a_unit() -> None:
    for _, (field, code) in [*PREFIXED.items(), *OWN.items()]:
        if code in ("UINT", "INT", "MICROS", "SECS", "SECS0"):
            assert REFERENCE[field].bounds, field
        if code in ("MICROS", "SECS", "SECS0") or field.endswith(("_s", "_ms", "_us")):
            assert REFERENCE[field].unit, field


def test_every_path_of_the_file_is_a_setting_of_the_environment_too() -> None:
    assert set(NAMES.values()) <= set(PREFIXED)
    assert len(set(NAMES.values())) == len(NAMES)


def test_the_page_of_settings_is_what_its_generator_makes() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == document.page(), "stale: python -m thimble.config.document > docs/settings.md"


def test_the_page_names_every_variable_and_every_path() -> None:
    page = document.page()
    for name in PREFIXED:
        assert f"| `DD_{name}` |" in page
    for path in NAMES:
        assert f"`{path}`" in page


def test_loading_settings_imports_neither_texts_nor_libraries() -> None:
    code = (
        "import sys\n"
        "from thimble.config.environment import load_settings\n"
        "load_settings({'DD_API_KEY': 'k', 'DD_TAGS': 'a:b', 'DD_FLUSH_TIMEOUT': 'x'})\n"
        "print(*sorted(name for name in sys.modules if name in"
        " ('re', 'json', 'orjson', 'yaml', 'enum', 'dataclasses') or name.startswith('thimble.config.')))\n"
    )
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & {"orjson", "yaml", "dataclasses", "json"}
    assert not loaded & {f"thimble.config.{name}" for name in ("reference", "effective", "document", "yaml_file")}
    assert "thimble.config.environment" in loaded
