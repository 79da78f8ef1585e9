"""Names, precedence and independence: no setting disturbs another, and nothing stops the start."""

from __future__ import annotations

import ast
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.fields import field_names, values_of
from tests.helpers.forms import SOURCE
from thimble.config.environment import assemble_settings, load_settings
from thimble.config.model import Settings
from thimble.config.names import OWN, PREFIXED, SECRET_FIELDS

NAMES = [*(f"DD_{name}" for name in PREFIXED), *(f"THIMBLE_{name}" for name in OWN)]
FOLDED = {"compression_level", "serverless_logs_enabled", "extra_tags"}
DERIVED = {"no_proxy", "proxy_aws"}

SETS = {
    "compression_level": {"logs_compression_level", "apm_compression_level", "metrics_compression_level"},
    "serverless_logs_enabled": {"logs_enabled"},
    "extra_tags": {"tags"},
    "trace_propagation_style": {"trace_propagation_style", "trace_propagation_style_extract"},
}
"""Fields that a name sets when they are not just the one in its table."""

GOOD = {
    "STR": "text-1", "BOOLT": "t", "INT": "5", "UINT": "7", "MICROS": "9", "SECS": "2.5", "SECS0": "3",
    "CSV": "a,b", "KV": "k:v", "FILT": "k:v", "STYLES": "b3", "SMAP": "a:b", "NS": "ns", "LEVEL": "debug",
    "FLUSH": "periodically,1000", "HIST": "distribution", "MINLEVEL": "warn", "PLATFORM": "report",
    "KEEP": "errors|slow:5", "AEP": '{"https://a.b":["key"]}',
    "LAEP": '[{"api_key":"k","Host":"h","Port":1,"is_reliable":true}]',
    "PRULES": '[{"type":"mask_sequences","name":"n","pattern":"p"}]',
    "RRULES": '[{"name":"n","pattern":"p","repl":"r"}]',
}  # fmt: skip
"""One good value per parser, different from every default."""

BAD = {
    "BOOL": "maybe", "BOOLT": "maybe", "INT": "1.5", "UINT": "-1", "MICROS": "x", "SECS": "x", "SECS0": "x",
    "KV": "novalue", "FILT": ":v", "STYLES": "zipkin", "SMAP": "novalue", "NS": "1", "LEVEL": "loud", "FLUSH": "x",
    "HIST": "summary", "MINLEVEL": "loud", "PLATFORM": "some", "KEEP": "bad",
    "AEP": "[]", "LAEP": "{}", "PRULES": "{", "RRULES": "{",
}  # fmt: skip
"""One bad value per parser; texts and lists of texts cannot be bad by themselves."""


def table_entry(name: str) -> tuple[str, str]:
    prefix, _, rest = name.partition("_")
    return (OWN if prefix == "THIMBLE" else PREFIXED)[rest]


def good_text(name: str) -> str:
    """A good value for a setting that is not its default."""
    field, code = table_entry(name)
    if field.endswith("_endpoint"):
        return "localhost:1234"
    if code == "BOOL":
        default = True if field == "serverless_logs_enabled" else getattr(Settings(), field)
        return "false" if default else "true"
    return GOOD[code]


def good_environ() -> dict[str, str]:
    return {name: good_text(name) for name in NAMES}


GOOD_VALUES = values_of(load_settings(good_environ())[0])


def test_every_field_of_the_model_has_a_name_and_every_name_a_field() -> None:
    named = {table_entry(name)[0] for name in NAMES}
    assert named - FOLDED == set(field_names()) - DERIVED
    assert set(SECRET_FIELDS) <= set(field_names())


def test_a_full_set_of_good_values_gives_no_warning() -> None:
    assert load_settings(good_environ())[1] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_good_value_sets_its_fields_alone_and_names_their_origin(name: str) -> None:
    field, _ = table_entry(name)
    assembly = assemble_settings({name: good_text(name)})
    defaults = values_of(load_settings({})[0])
    changed = {other for other, value in values_of(assembly.settings).items() if value != defaults[other]}
    assert changed == SETS.get(field, {field})
    if field != "extra_tags":
        assert {assembly.origins[other] for other in changed if other in assembly.origins} == {name}


@pytest.mark.parametrize("name", [name for name in NAMES if table_entry(name)[1] in BAD])
def test_a_bad_value_acts_as_if_absent_and_gives_exactly_one_warning(name: str) -> None:
    field, code = table_entry(name)
    environ = good_environ()
    without = {other: text for other, text in environ.items() if other != name}
    settings, warnings = load_settings(environ | {name: BAD[code]})
    assert values_of(settings) == values_of(load_settings(without)[0])
    (warning,) = warnings
    assert warning.startswith(f"{name}: ")
    assert (BAD[code] in warning) == (field not in SECRET_FIELDS)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_value_acts_as_if_absent(name: str) -> None:
    environ = good_environ()
    without = {other: text for other, text in environ.items() if other != name}
    settings, warnings = load_settings(environ | {name: ""})
    assert values_of(settings) == values_of(load_settings(without)[0])
    assert len(warnings) <= 1


any_text = st.text(st.characters(exclude_categories=[]))
"""With lone surrogates: that is how Python hands over bytes of the environment that are not UTF-8."""


@given(
    name=st.sampled_from(NAMES), text=any_text | st.sampled_from(["{}", "[]", "null", "0", "-0", "\x00", "a:b" * 99])
)
def test_whatever_one_setting_holds_all_others_keep_their_values(name: str, text: str) -> None:
    field, _ = table_entry(name)
    settings, _ = load_settings(good_environ() | {name: text})
    own = {field, *{
        "compression_level": (), "serverless_logs_enabled": ("logs_enabled",), "extra_tags": ("tags",),
        "site": ("proxy_https",), "proxy_no_proxy": ("proxy_https",),
        "pipelines_worker_logs_enabled": ("pipelines_worker_logs_url",),
    }.get(field, ())}  # fmt: skip
    others = {other: value for other, value in values_of(settings).items() if other not in own}
    assert others == {other: value for other, value in GOOD_VALUES.items() if other not in own}


environs = st.dictionaries(
    st.sampled_from(NAMES) | st.sampled_from(["NO_PROXY", "HTTPS_PROXY", "https_proxy", "PATH"]) | any_text,
    any_text | st.sampled_from([*GOOD.values(), *BAD.values(), ""]),
    max_size=30,
)


@given(environs)
def test_loading_never_raises_for_any_environment(environ: dict[str, str]) -> None:
    before = dict(environ)
    settings, warnings = load_settings(environ)
    assert environ == before
    assert all(warning.endswith(".") for warning in warnings)
    for field, value in values_of(settings).items():
        assert_encodable(value, field)


def assert_encodable(value: Any, field: str) -> None:
    """Texts go into JSON and headers later, so none may hold lone surrogates."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict):
        for key, item in value.items():
            assert_encodable(key, field)
            assert_encodable(item, field)
    elif isinstance(value, (tuple, list)):
        for item in value:
            assert_encodable(item, field)


SITE_NAMES = ["DATADOG_SITE", "datadog_site", "DD_SITE", "dd_site", "Dd_Site"]


def test_the_order_of_the_environment_never_decides() -> None:
    texts = {name: f"{index}.example" for index, name in enumerate(SITE_NAMES)}
    for size in range(1, len(SITE_NAMES) + 1):
        for names in itertools.combinations(SITE_NAMES, size):
            seen = {
                load_settings({name: texts[name] for name in order})[0].site for order in itertools.permutations(names)
            }
            assert len(seen) == 1


@pytest.mark.parametrize(
    ("environ", "site"),
    [
        ({"DATADOG_SITE": "a.example", "DD_SITE": "b.example"}, "b.example"),
        ({"DATADOG_SITE": "a.example"}, "a.example"),
        ({"dd_site": "c.example"}, "c.example"),
        ({"dd_site": "c.example", "DD_SITE": "b.example"}, "b.example"),
        ({"dd_site": "c.example", "DATADOG_SITE": "a.example"}, "c.example"),
        ({"DATADOG_SITE": "a.example", "DD_SITE": ""}, "a.example"),
        ({"XDD_SITE": "x", "DD_SITES": "x", "SITE": "x", "DD__SITE": "x", "THIMBLE_SITE": "x"}, "datadoghq.com"),
    ],
)
def test_the_short_prefix_goes_before_the_long_one_in_any_case(environ: dict[str, str], site: str) -> None:
    settings, warnings = load_settings(environ)
    assert settings.site == site
    assert warnings == []


def test_a_bad_value_under_the_short_prefix_leaves_the_long_ones_in_use_and_says_so() -> None:
    settings, warnings = load_settings({"DATADOG_FLUSH_TIMEOUT": "9", "DD_FLUSH_TIMEOUT": "x"})
    assert settings.flush_timeout_s == 9
    assert warnings == ['DD_FLUSH_TIMEOUT: "x" is not a whole number of 0 or more; 9 is used instead.']


def test_a_warning_quotes_only_the_beginning_of_a_long_value() -> None:
    (warning,) = load_settings({"DD_FLUSH_TIMEOUT": "x" * 100_000})[1]
    assert len(warning) < 200


def test_each_object_of_settings_has_maps_of_its_own() -> None:
    one, other = Settings(), Settings()
    for field in field_names():
        if isinstance(getattr(one, field), (dict, list)):
            assert getattr(one, field) is not getattr(other, field)


def test_only_the_configuration_assigns_settings() -> None:
    wrong = []
    fields = set(field_names())
    for path in sorted((SOURCE / "thimble").rglob("*.py")):
        if path.parent.name == "config":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)) and node.attr in fields:
                owner = ast.unparse(node.value).split(".")[-1].lstrip("_")
                if owner == "settings":
                    wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert wrong == []
