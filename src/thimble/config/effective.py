"""The settings in effect, each with its origin and without secrets: what `thimble config` prints."""

# Not compiled: for people at a command line, never loaded in the sandbox process.

from __future__ import annotations

from typing import Any, Final, NamedTuple

from thimble.config.assemble import Assembly, shown
from thimble.config.environment import assemble_settings
from thimble.config.names import OWN, PREFIXED
from thimble.config.reference import GROUPS, REFERENCE
from thimble.core.codec.log_line import LEVEL_NAMES

FROM_DEFAULT: Final = "default"

_DERIVED_ORIGIN: Final = "other settings"
"""Origin of a field that differs from its default without having been set itself."""

_DERIVED_FROM: Final = {"trace_propagation_style_extract": "trace_propagation_style"}


class EffectiveSetting(NamedTuple):
    """One setting in effect."""

    group: str
    field: str
    variable: str
    """Name of the environment variable: `DD_SITE`."""
    value: str
    """As a user would write it; '' when unset; secrets by their length alone."""
    origin: str
    """`default`, or the name under which the user set it: `DD_SITE`, `site in datadog.yaml`, `HTTPS_PROXY`."""
    meaning: str


def effective_settings(environ: dict[str, str]) -> tuple[list[EffectiveSetting], list[str]]:
    """All settings by group, in the order of the reference, and the warnings that the extension would log.

    Args:
        environ: The environment as the extension would see it.
    """
    assembly = assemble_settings(environ)
    defaults = Assembly()
    defaults.finish({})
    settings: list[EffectiveSetting] = []
    for group in GROUPS:
        for field, entry in REFERENCE.items():
            if entry.group == group and hasattr(assembly.settings, field):
                value = getattr(assembly.settings, field)
                is_default = masked(field, value) == masked(field, getattr(defaults.settings, field))
                origin = assembly.origins.get(field) or assembly.origins.get(_DERIVED_FROM.get(field, ""), "")
                if not origin:
                    origin = FROM_DEFAULT if is_default else _DERIVED_ORIGIN
                text = masked(field, value)
                settings.append(EffectiveSetting(group, field, variable_of(field), text, origin, entry.meaning))
    return settings, assembly.warnings()


def variable_of(field: str) -> str:
    """Environment variable of a field, with the usual prefix."""
    for prefix, table in (("DD_", PREFIXED), ("THIMBLE_", OWN)):
        for name, (named_field, _) in table.items():
            if named_field == field:
                return prefix + name
    return ""


def masked(field: str, value: Any) -> str:
    """A value for display: keys by their length, endpoints without their keys, proxies without credentials."""
    if field in ("api_key", "kms_api_key"):
        return f"({len(value)} characters, not shown)" if value else ""
    if field in ("additional_endpoints", "apm_additional_endpoints"):
        return ", ".join(f"{url} ({len(keys)} keys)" for url, keys in value.items())
    if field == "logs_additional_endpoints":
        return ", ".join(f"{endpoint.host}:{endpoint.port}" for endpoint in value)
    if field in ("proxy_https", "proxy_aws"):
        scheme, separator, rest = value.partition("://")
        return f"{scheme}{separator}{rest.rpartition('@')[2]}"
    if field == "logs_processing_rules":
        return ", ".join(f"{rule.name} ({rule.kind})" for rule in value)
    if field == "apm_replace_tags":
        return ", ".join(f"{rule.name}: {rule.pattern}" for rule in value)
    if field == "log_verbosity":
        return LEVEL_NAMES[value].lower()
    if field in ("dogstatsd_so_rcvbuf",) and value < 0:
        return ""
    if field in ("span_dedup_timeout_s", "api_key_secret_reload_interval_s") and not value:
        return ""
    return shown(value)
