"""The function's credentials, read anew for every resolution and kept nowhere.

Under SnapStart the environment has none; the platform serves them on loopback instead.

Source: AWS Lambda Developer Guide, "Activating SnapStart" (container credentials); specification, "AWS calls: signing".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.http.client import OutgoingRequest
from thimble.http.messages import parse_url
from thimble.reactor.errors import ReactorError
from thimble.shell.api_key import KeyUnresolved

if TYPE_CHECKING:
    from thimble.http.client import Client
    from thimble.reactor.loop import Loop

TIMEOUT_MS: Final = 5_000
ATTEMPTS_MAX: Final = 2


class Credentials:
    """What signs a request. `token` is '' for credentials that do not expire."""

    def __init__(self, access_key: str, secret_key: str, token: str) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token


async def read_credentials(environ: dict[str, str], loop: Loop, client: Client) -> Credentials:
    """From the environment, or else from the platform's local endpoint.

    Raises:
        KeyUnresolved: There are none.
    """
    access_key = environ.get("AWS_ACCESS_KEY_ID", "")
    secret_key = environ.get("AWS_SECRET_ACCESS_KEY", "")
    if access_key or secret_key:
        return Credentials(access_key, secret_key, environ.get("AWS_SESSION_TOKEN", ""))
    url = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    authorization = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    if not url or not authorization:
        raise KeyUnresolved("the environment holds no AWS credentials")
    return await _fetch(url, authorization, loop, client)


async def _fetch(url: str, authorization: str, loop: Loop, client: Client) -> Credentials:
    try:
        request = OutgoingRequest("GET", parse_url(url), [("Authorization", authorization)], b"")
    except ValueError:
        raise KeyUnresolved("AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL") from None
    reason = ""
    attempts = 0
    while attempts < ATTEMPTS_MAX:
        attempts += 1
        try:
            response = await client.request(request, loop.deadline_in_ms(TIMEOUT_MS))
        except ReactorError as error:
            reason = str(error)
            continue
        if response.status < 500:
            return _parse(response.status, response.body)
        reason = f"status {response.status}"
    raise KeyUnresolved(f"the platform's credentials endpoint {request.target.authority} failed: {reason}")


def _parse(status: int, body: bytes) -> Credentials:
    """Take the answer apart; no part of it is ever shown."""
    import orjson

    try:
        found = orjson.loads(body)
    except ValueError:
        found = None
    if isinstance(found, dict):
        values = [found.get(name, "") for name in ("AccessKeyId", "SecretAccessKey", "Token")]
        if all(isinstance(value, str) for value in values) and values[0] and values[1]:
            return Credentials(values[0], values[1], values[2])
    raise KeyUnresolved(f"the platform's credentials endpoint gave no credentials (status {status})")
