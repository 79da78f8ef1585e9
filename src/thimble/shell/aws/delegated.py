"""Delegated authentication: the function's own AWS identity, proven to Datadog, is exchanged for a key.

The proof is an STS request that we sign and do not send: Datadog sends it, and AWS answers whose it is.

Source: specification, "Delegated authentication"; AWS STS API Reference, "GetCallerIdentity".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING, Final

from thimble.http.client import OutgoingRequest
from thimble.http.messages import parse_url
from thimble.reactor.errors import ReactorError
from thimble.shell.api_key import KeyUnresolved
from thimble.shell.aws.sigv4 import authorization

if TYPE_CHECKING:
    from thimble.http.client import Client
    from thimble.reactor.loop import Loop
    from thimble.shell.aws.credentials import Credentials

BODY: Final = b"Action=GetCallerIdentity&Version=2011-06-15"
CONTENT_TYPE: Final = "application/x-www-form-urlencoded; charset=utf-8"


def proof(credentials: Credentials, region: str, org_uuid: str, stamp: str) -> str:
    """The four parts of a signed identity request, joined by bars: body, headers, method, URL.

    Args:
        region: The function's.
        stamp: `20260102T030405Z`, when it is made.
    """
    import orjson

    host = f"sts.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    signed = [("content-type", CONTENT_TYPE), ("host", host), ("x-amz-date", stamp)]
    if credentials.token:
        signed.append(("x-amz-security-token", credentials.token))
    signed.append(("x-ddog-org-id", org_uuid))
    headers = {
        "Authorization": [authorization(credentials, stamp, region, "sts", signed, BODY)],
        "Content-Type": [CONTENT_TYPE],
        "Host": [host],
        "X-Amz-Date": [stamp],
    }
    if credentials.token:
        headers["X-Amz-Security-Token"] = [credentials.token]
    headers["X-Ddog-Org-Id"] = [org_uuid]
    return "|".join((_base64(BODY), _base64(orjson.dumps(headers)), "POST", _base64(f"https://{host}".encode())))


async def delegated_key(
    loop: Loop, client: Client, url: str, credentials: Credentials, text: str, timeout_ms: int
) -> str:
    """Exchange a proof for a key.

    Args:
        client: Reaches Datadog, with its proxy and TLS settings.
        url: The exchange at the site.
        text: See `proof`.

    Raises:
        KeyUnresolved: Datadog gave none; its answer is never shown.
    """
    import orjson

    if not credentials.access_key or not credentials.secret_key:
        raise KeyUnresolved("delegated authentication needs AWS credentials in the environment")
    target = parse_url(url)
    headers = [("Content-Type", "application/json"), ("Authorization", f"Delegated {text}")]
    try:
        response = await client.request(OutgoingRequest("POST", target, headers, b""), loop.deadline_in_ms(timeout_ms))
    except ReactorError as error:
        raise KeyUnresolved(f"{target.host} cannot be asked for a delegated key: {error}") from None
    found: object = None
    if 200 <= response.status < 300:
        try:
            found = orjson.loads(response.body)
        except ValueError:
            found = None
    for name in ("data", "attributes", "api_key"):
        found = found.get(name) if isinstance(found, dict) else None
    if not found or not isinstance(found, str):
        raise KeyUnresolved(
            f"{target.host} gave no delegated key (status {response.status}, {len(response.body)} bytes); check that "
            "DD_ORG_UUID is your organisation and that it trusts this AWS account"
        )
    return found


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
