"""What a customer can do about a delivery that failed: one short sentence per class of failure, or nothing."""

from __future__ import annotations

from typing import Final

from thimble.http.connector import FOR_ANSWER, FOR_CONNECTION, FOR_NAME, FOR_PROXY, FOR_TLS, ProxyFailed
from thimble.reactor.errors import ConnectionRefused, DeadlinePassed, NameNotResolved, ReactorError, TlsFailed

NAME: Final = "Check DD_SITE and the URLs in the settings, and the name resolution of the function's VPC."
ROUTE: Final = "A function in a VPC needs a NAT gateway, a VPC endpoint or a proxy (DD_PROXY_HTTPS) to get out."
REFUSED: Final = "Nobody listens there: check host and port in the settings."
PROXY: Final = "Check DD_PROXY_HTTPS and HTTPS_PROXY, or except the host in DD_PROXY_NO_PROXY."
CREDENTIALS: Final = "Put them into the proxy's URL: http://user:password@host:port."
ISSUER: Final = "If that is a proxy which inspects TLS, give its CA certificate as a file to DD_TLS_CERT_FILE."
TLS: Final = "Check that the host is an intake of Datadog, and what stands between."

_BY_STEP: Final = {FOR_NAME: NAME, FOR_CONNECTION: ROUTE, FOR_PROXY: PROXY, FOR_TLS: TLS, FOR_ANSWER: ""}


def advice_for(error: ReactorError, step: str) -> str:
    """What to do about an attempt that failed while it waited for `step`."""
    if isinstance(error, ProxyFailed):
        return CREDENTIALS if "credentials" in str(error) else PROXY
    if isinstance(error, NameNotResolved):
        return NAME
    if isinstance(error, ConnectionRefused):
        return REFUSED
    if isinstance(error, TlsFailed):
        return ISSUER if "; issued by " in str(error) else TLS
    return advice_for_wait(step) if isinstance(error, DeadlinePassed) else ""


def advice_for_wait(step: str) -> str:
    """What to do about a wait for `step` that was given up."""
    return _BY_STEP.get(step, "")


def sentence(text: str, advice: str) -> str:
    """A failure and, when there is any, what to do about it."""
    return f"{text}. {advice}" if advice else text
