"""Settings that are lists or maps: rules and additional endpoints, from JSON text or from YAML.

From the environment (`is_strict`) one bad item refuses the whole value, from YAML it is dropped alone: the reference
reads the former as one JSON document of a fixed shape and the latter item by item. Replace rules and the additional
endpoints of logs are always refused as a whole.

Source: specification of the configuration, field parsers AEP, LAEP, PRULES, RRULES.
"""

from __future__ import annotations

from typing import Final

from thimble.config.layers import BadValueError
from thimble.config.model import LogsEndpoint, ProcessingRule, ReplaceRule

PROCESSING_KINDS: Final = ("exclude_at_match", "include_at_match", "mask_sequences")

UNSIGNED_MAX: Final = 0xFFFF_FFFF
"""Up to here the number of a port is well-formed; one that no host can have costs its own endpoint, not the list."""


def convert(code: str, value: object, is_strict: bool, notes: list[str]) -> object | None:
    """Convert decoded JSON or YAML by the parser's code.

    Args:
        code: `AEP`, `LAEP`, `PRULES` or `RRULES`.
        value: Whatever the document holds.
        is_strict: One bad item refuses all.
        notes: Receives one text per dropped item.

    Returns:
        The value for the field, or None when nothing is left.

    Raises:
        BadValueError: The whole value cannot be used.
    """
    if code == "AEP":
        return endpoint_keys(value, is_strict, notes) or None
    if code == "LAEP":
        return logs_endpoints(value) or None
    if code == "PRULES":
        return processing_rules(value, is_strict, notes) or None
    assert code == "RRULES", f"no parser {code}"
    return replace_rules(value) or None


def endpoint_keys(value: object, is_strict: bool, notes: list[str]) -> dict[str, list[str]]:
    """`{url: [api key, ...]}`; items of a list that are no text are dropped unless strict."""
    if not isinstance(value, dict):
        raise BadValueError("is not a map of URLs to lists of API keys")
    endpoints: dict[str, list[str]] = {}
    for url, keys in value.items():
        texts: list[str] = []
        is_good = isinstance(url, str) and isinstance(keys, list)
        if is_good:
            for key in keys:
                if isinstance(key, str):
                    texts.append(clean_key(key))
                elif is_strict:
                    is_good = False
        if is_good:
            endpoints[url] = texts
        elif is_strict:
            raise BadValueError("has a URL without a list of API keys")
        else:
            notes.append("a URL without a list of API keys was dropped")
    return endpoints


def logs_endpoints(value: object) -> tuple[LogsEndpoint, ...]:
    """Objects with `api_key`, `Host`, `Port` and `is_reliable`, all four required in each."""
    if not isinstance(value, list):
        raise BadValueError("is not a list of endpoints")
    endpoints: list[LogsEndpoint] = []
    for item in value:
        endpoint = _logs_endpoint(item)
        if endpoint is None:
            raise BadValueError("has an endpoint without a good api_key, Host, Port or is_reliable")
        endpoints.append(endpoint)
    return tuple(endpoints)


def processing_rules(value: object, is_strict: bool, notes: list[str]) -> tuple[ProcessingRule, ...]:
    """Objects with `type`, `name`, `pattern` and, where wanted, `replace_placeholder`."""
    if not isinstance(value, list):
        raise BadValueError("is not a list of rules")
    rules: list[ProcessingRule] = []
    for item in value:
        rule = _processing_rule(item)
        if rule is not None:
            rules.append(rule)
        elif is_strict:
            raise BadValueError(f"has a rule without name, pattern or a type of {', '.join(PROCESSING_KINDS)}")
        else:
            notes.append(f"a rule was dropped, it lacks name, pattern or a type of {', '.join(PROCESSING_KINDS)}")
    return tuple(rules)


def replace_rules(value: object) -> tuple[ReplaceRule, ...]:
    """Objects with `name`, `pattern` and `repl`, whose patterns compile."""
    if not isinstance(value, list):
        raise BadValueError("is not a list of rules")
    rules: list[ReplaceRule] = []
    for item in value:
        name = _text(item, "name")
        pattern = _text(item, "pattern")
        replacement = _text(item, "repl")
        if name is None or pattern is None or replacement is None:
            raise BadValueError("has a rule without name, pattern or repl")
        if not _compiles(pattern):
            raise BadValueError("has a rule whose pattern is not a regular expression")
        rules.append(ReplaceRule(name, pattern, replacement))
    return tuple(rules)


def clean_key(text: str) -> str:
    """An API key without the white space that came along with it."""
    return "".join(text.split())


def _logs_endpoint(item: object) -> LogsEndpoint | None:
    api_key = _text(item, "api_key")
    host = _text(item, "Host")
    if api_key is None or host is None or not isinstance(item, dict):
        return None
    port = item.get("Port")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= UNSIGNED_MAX:
        return None
    if not isinstance(item.get("is_reliable"), bool):
        return None
    return LogsEndpoint(clean_key(api_key), host, port)


def _processing_rule(item: object) -> ProcessingRule | None:
    kind = _text(item, "type")
    name = _text(item, "name")
    pattern = _text(item, "pattern")
    if kind is None or name is None or pattern is None or not isinstance(item, dict):
        return None
    if kind not in PROCESSING_KINDS:
        return None
    placeholder = item.get("replace_placeholder", "")
    if placeholder is None:
        placeholder = ""
    return ProcessingRule(kind, name, pattern, placeholder) if isinstance(placeholder, str) else None


def _text(item: object, key: str) -> str | None:
    """The text under `key` of an object, or None."""
    if not isinstance(item, dict):
        return None
    value = item.get(key)
    return value if isinstance(value, str) else None


def _compiles(pattern: str) -> bool:
    """Whether a pattern is a regular expression; `re` is imported only by functions that set such rules."""
    import re

    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
