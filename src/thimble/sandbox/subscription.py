"""What an extension asks of the Telemetry API, checked.

Pure: the request's JSON in, a `Subscription` or the reasons for refusing out.

Source: AWS Telemetry API reference; AWS runtime interface emulator in managed-instance mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

EVENT_TYPES = ("platform", "function", "extension")
SCHEMAS = ("2022-07-01", "2022-12-13", "2025-01-29")
MANAGED_SCHEMA = "2025-01-29"
HOSTS = ("sandbox", "sandbox.localdomain")
RESERVED_PORT = 9001

BUFFERING: dict[str, tuple[int, int, int]] = {
    "maxItems": (10_000, 1_000, 10_000),
    "maxBytes": (262_144, 262_144, 1_048_576),
    "timeoutMs": (1_000, 25, 30_000),
}
"""Name to default, least and greatest value."""


class SubscriptionRefused(ValueError):
    """400: the message joins every reason with `; `."""


@dataclass(frozen=True)
class Subscription:
    """An accepted subscription."""

    schema: str
    protocol: str
    host: str
    port: int
    path: str
    types: tuple[str, ...]
    items_max: int
    bytes_max: int
    timeout_ms: int

    @property
    def has_object_records(self) -> bool:
        """JSON log lines arrive as objects (schema 2022-12-13 and later)."""
        return self.schema >= "2022-12-13"


def parse_subscription(request: object, *, is_managed: bool = False, is_strict: bool = True) -> Subscription:
    """Check a subscription request.

    Args:
        request: The decoded JSON body.
        is_managed: Managed instances accept their own schema only.
        is_strict: Refuse buffering values out of range; else clamp them.

    Raises:
        SubscriptionRefused: One or more fields are wrong.
    """
    if not isinstance(request, dict):
        raise SubscriptionRefused("body is not a JSON object")
    problems: list[str] = []
    schema = request.get("schemaVersion")
    if schema not in SCHEMAS or (is_managed and schema != MANAGED_SCHEMA):
        problems.append(f"schemaVersion {schema!r} is not supported")
    protocol, host, port, path = _destination(request.get("destination"), problems)
    types = _types(request.get("types"), problems)
    limits = _buffering(request.get("buffering"), problems, is_strict=is_strict)
    if problems:
        raise SubscriptionRefused("; ".join(problems))
    return Subscription(str(schema), protocol, host, port, path, types, *limits)


def _destination(value: object, problems: list[str]) -> tuple[str, str, int, str]:
    destination = value if isinstance(value, dict) else {}
    protocol = destination.get("protocol")
    if protocol == "TCP":
        port = destination.get("port")
        if not isinstance(port, int) or not 1 <= port <= 65535:
            problems.append("port should be between 1 and 65535")
            return "TCP", "sandbox", 0, ""
        return "TCP", "sandbox", port, ""
    if protocol != "HTTP":
        problems.append("destination protocol should be HTTP or TCP")
        return "", "", 0, ""
    uri = destination.get("URI")
    try:
        parts = urlsplit(uri if isinstance(uri, str) else "")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        problems.append("URI is not valid")
        return "HTTP", "", 0, ""
    if parts.scheme != "http" or host not in HOSTS:
        problems.append(f"URI host should be one of {', '.join(HOSTS)}")
    if port is None:
        problems.append("URI port is not provided")
    elif port == RESERVED_PORT:
        problems.append(f"URI port {RESERVED_PORT} is reserved")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return "HTTP", host, port or 0, path


def _types(value: object, problems: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        problems.append("types should not be empty")
        return ()
    unknown = [str(item) for item in value if item not in EVENT_TYPES]
    if unknown:
        problems.append(f"types {', '.join(unknown)} are not known")
    return tuple(dict.fromkeys(str(item) for item in value))


def _buffering(value: object, problems: list[str], *, is_strict: bool) -> tuple[int, int, int]:
    given = value if isinstance(value, dict) else {}
    if value is not None and not isinstance(value, dict):
        problems.append("buffering is not an object")
    found: list[int] = []
    for name, (default, least, greatest) in BUFFERING.items():
        number = given.get(name, default)
        if not isinstance(number, int) or isinstance(number, bool):
            problems.append(f"{name} is not an integer")
            number = default
        elif not least <= number <= greatest:
            if is_strict:
                problems.append(f"{name} should be between {least} and {greatest}")
            number = min(max(number, least), greatest)
        found.append(number)
    return found[0], found[1], found[2]
