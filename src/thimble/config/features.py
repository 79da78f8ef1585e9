"""Which rarely used features the settings and Lambda's variables switch on, and where they listen.

Source: specification of the configuration, "Local listeners", "FIPS", "Environment read outside the loader".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from thimble.config.aws import LambdaEnvironment
    from thimble.config.model import Settings

OTLP_HTTP_PORT: Final = 4318
OTLP_GRPC_PORT: Final = 4317
RUNTIME_PROXY_ADDRESS: Final = ("0.0.0.0", 9000)


def otlp_port(endpoint: str) -> int:
    """The port of an OTLP endpoint, what follows its last colon; 0 when it is no port, and the default is to be used.

    Args:
        endpoint: `host:port`, with or without a scheme; the host is ignored.
    """
    address = endpoint.removeprefix("https://").removeprefix("http://")
    _, colon, text = address.rpartition(":")
    return _port(text.rstrip("/")) if colon else 0


def starts_runtime_proxy(settings: Settings, aws: LambdaEnvironment) -> bool:
    """Whether to serve the Runtime API: for the Web Adapter, or for AppSec or on demand with the wrapper script."""
    if aws.web_adapter_proxy:
        return True
    return aws.has_wrapper and (settings.serverless_appsec_enabled or settings.experimental_enable_proxy)


def runtime_proxy_address(aws: LambdaEnvironment) -> tuple[str, int, str]:
    """Host and port on which to serve the Runtime API, and what is wrong with the adapter's address ('' if nothing).

    The adapter's address needs a host and a port, and `localhost` is refused; the usual address is used instead.
    """
    usual_host, usual_port = RUNTIME_PROXY_ADDRESS
    text = aws.web_adapter_proxy
    if not text:
        return usual_host, usual_port, ""
    address = text.strip().removeprefix("http://").rstrip("/")
    host, _, port_text = address.rpartition(":")
    port = _port(port_text)
    if not host or not port or "/" in host or " " in host:
        return usual_host, usual_port, "is not host:port"
    if host.lower() == "localhost":
        return usual_host, usual_port, "names localhost, an IP address is needed"
    return host, port, ""


def is_fips_expected(settings: Settings, aws: LambdaEnvironment) -> bool:
    """Whether the client library's layer would be the FIPS one: as set, else by the region."""
    if settings.fips_mode:
        return settings.fips_mode.lower() == "true"
    return aws.region.startswith("us-gov-")


def _port(text: str) -> int:
    """1 to 65535, or 0."""
    if not (text.isascii() and text.isdigit()) or len(text) > 5:
        return 0
    port = int(text)
    return port if port <= 0xFFFF else 0
