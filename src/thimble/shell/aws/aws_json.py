"""One signed call to an AWS service that speaks JSON: bounded in time, repeated once where that may help.

Repeated: what never reached the service, what it answered with 5xx, and throttling, which many sandboxes that start at
the same moment bring about (Parameter Store allows 40 calls a second). A sandbox that was frozen in the middle of a
call has learnt nothing about the service, so that attempt is not counted.

Source: AWS JSON 1.1 protocol (Smithy); AWS General Reference, "Error retries and exponential backoff".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.http.client import OutgoingRequest
from thimble.http.messages import Target
from thimble.reactor.errors import ReactorError
from thimble.shell.api_key import KeyUnresolved
from thimble.shell.aws.sigv4 import authorization, time_stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thimble.http.client import Client
    from thimble.http.messages import Response
    from thimble.reactor.loop import Loop
    from thimble.shell.aws.credentials import Credentials

CONTENT_TYPE: Final = "application/x-amz-json-1.1"
TIMEOUT_MS: Final = 5_000
ATTEMPTS_MAX: Final = 2
FROZEN_MAX: Final = 3
"""Attempts that a freeze may spoil before one counts all the same."""
PAUSE_MS: Final = 200
"""Before the second attempt, and up to as much again, so that sandboxes that started together do not stay together."""
TEXT_MAX: Final = 600
"""Characters shown of what a service says."""

THROTTLED: Final = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded")
DENIED: Final = ("AccessDeniedException", "AccessDenied")
MISSING: Final = ("ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound", "NotFoundException")

_REGION_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Reply:
    """What a service answered: its JSON object, {} when the body is none."""

    def __init__(self, status: int, fields: dict[str, Any]) -> None:
        self.status = status
        self.fields = fields

    @property
    def error(self) -> str:
        """`AccessDeniedException`; '' when the service names no error."""
        name = self.fields.get("__type", "")
        return name.rpartition("#")[2] if isinstance(name, str) else ""

    @property
    def message(self) -> str:
        """What the service says of the error."""
        for name in ("message", "Message"):
            text = self.fields.get(name, "")
            if text and isinstance(text, str):
                return text[:TEXT_MAX]
        return ""

    @property
    def is_worth_another_try(self) -> bool:
        return self.status >= 500 or self.status == 429 or self.error in THROTTLED


class AwsServices:
    """Calls to AWS with one set of credentials.

    Args:
        client: Reaches AWS with the default trust roots.
        wall_s: Unix seconds.
        region: The function's; its partition decides the domain of every host.
        is_fips: Whether the endpoints of FIPS 140 are used.
    """

    def __init__(
        self,
        loop: Loop,
        client: Client,
        wall_s: Callable[[], float],
        region: str,
        credentials: Credentials,
        is_fips: bool = False,
    ) -> None:
        self._loop = loop
        self._client = client
        self._wall_s = wall_s
        self._credentials = credentials
        self._is_fips = is_fips
        self.region = region

    def host(self, service: str, region: str) -> str:
        """`kms.us-east-2.amazonaws.com`.

        Raises:
            KeyUnresolved: The region is no region; a host must not be made of it.
        """
        if not region or region.strip(_REGION_CHARACTERS):
            raise KeyUnresolved(f"{region[:60]!r} is not an AWS region")
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"{service}{'-fips' if self._is_fips else ''}.{region}.{domain}"

    async def call(self, service: str, region: str, operation: str, fields: dict[str, Any]) -> Reply:
        """Call `operation` (`AmazonSSM.GetParameter`) and return what the service answers, an error too.

        Raises:
            KeyUnresolved: The service cannot be reached, or answers with something else than JSON.
        """
        import orjson

        target = Target(True, self.host(service, region), 443, "/")
        body = orjson.dumps(fields)
        reason = ""
        attempts = frozen = 0
        while attempts < ATTEMPTS_MAX:
            if attempts or frozen:
                await self._loop.sleep_ms(PAUSE_MS + int(self._wall_s() * 1e6) % PAUSE_MS)
            attempts += 1
            freezes = self._loop.freezes
            request = OutgoingRequest(
                "POST", target, self._headers(service, region, target.host, operation, body), body
            )
            try:
                response = await self._client.request(request, self._loop.deadline_in_ms(TIMEOUT_MS))
            except ReactorError as error:
                reason = str(error)
                if self._loop.freezes != freezes and frozen < FROZEN_MAX:
                    frozen += 1
                    attempts -= 1
                continue
            reply = parse_reply(response)
            if reply is None:
                reason = f"status {response.status} without JSON"
                if response.status < 500:
                    break
            elif not reply.is_worth_another_try or attempts == ATTEMPTS_MAX:
                return reply
        raise KeyUnresolved(f"{target.host} cannot be asked: {reason}{_network_hint(reason)}")

    def _headers(self, service: str, region: str, host: str, operation: str, body: bytes) -> list[tuple[str, str]]:
        stamp = time_stamp(self._wall_s())
        signed = signed_headers(self._credentials, host, stamp, operation)
        value = authorization(self._credentials, stamp, region, service, signed, body)
        # The client writes `host` itself.
        return [("Authorization", value), *((name, text) for name, text in signed if name != "host")]


def signed_headers(credentials: Credentials, host: str, stamp: str, operation: str) -> list[tuple[str, str]]:
    """The headers of a call, in the order in which they are signed; no token header without a token."""
    headers = [("content-type", CONTENT_TYPE), ("host", host), ("x-amz-date", stamp)]
    if credentials.token:
        headers.append(("x-amz-security-token", credentials.token))
    headers.append(("x-amz-target", operation))
    return headers


def parse_reply(response: Response) -> Reply | None:
    """None when the body is no JSON object, as from a proxy or a gateway."""
    import orjson

    try:
        fields = orjson.loads(response.body)
    except ValueError:
        return None
    return Reply(response.status, fields) if isinstance(fields, dict) else None


def refusal(reply: Reply, permission: str, resource: str) -> str:
    """Why a reply holds no key, and what to do; nothing of a reply without an error is shown, it may be the secret.

    Args:
        permission: `ssm:GetParameter`, what the call needs.
        resource: What it was called for, as configured.
    """
    if not reply.error:
        return f"{permission} on {resource}: the answer (status {reply.status}) holds no text"
    said = f"{reply.error}: {reply.message}" if reply.message else reply.error
    text = f"{permission} on {resource}: {said}"
    if reply.error in DENIED:
        role = reply.message.partition("assumed-role/")[2].partition("/")[0]
        who = f"role {role}" if role else "execution role"
        if "KMS" in reply.message and not permission.startswith("kms:"):
            permission, resource = "kms:Decrypt", "the KMS key that encrypts it"
        return f"{text.rstrip('.')}. Allow {permission} on {resource} in the function's {who}."
    if reply.error in MISSING:
        return f"{text.rstrip('.')}. Check the name and the region."
    return text


def _network_hint(reason: str) -> str:
    if "time" in reason or "no address" in reason:
        return ". A function in a VPC needs a NAT gateway or a VPC endpoint of that service."
    return ""
