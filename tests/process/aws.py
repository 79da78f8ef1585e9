"""AWS, and Datadog's exchange for delegated keys, on the loopback interface of a test's network namespace.

Secrets Manager, Parameter Store and KMS are moto's server application, in this process; in front of it stands a TLS
server on port 443 that checks every signature with botocore, records, and misbehaves on request. The extension finds it
under the real host names, by a hosts file and a folder of trusted roots bound over those of its own view of the system.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import trustme
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.helpers.build_tools import import_build_tool

from .extension import FROZEN, FUNCTION_VARIABLES, Program

REGIONS = ("us-east-1", "eu-central-1")
SERVICES = {"secretsmanager": "secretsmanager", "AmazonSSM": "ssm", "TrentService": "kms"}
EXCHANGE = "api.datadoghq.com"
CONTAINER = "/v1/credentials"
CONTAINER_PORT = 9001
CONTAINER_TOKEN = "container-token"
ROLE = "arn:aws:sts::123456789012:assumed-role/orders-role/orders-api"
HANG, CLOSE, GARBAGE, DENIED, THROTTLED = "hang", "close", "garbage", "denied", "throttled"


class Call:
    """One request that AWS got."""

    def __init__(self, host: str, headers: dict[str, str], body: bytes) -> None:
        self.at_s = time.monotonic()
        self.host = host
        self.headers = headers
        self.body = body

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body)


class Aws:
    """Listens from entry to exit.

    Attributes:
        calls: Every signed call, in order, whatever its answer.
        faults: What the next calls get instead of an answer, one each: a status, or one of the words above.
        is_answering: Cleared to hold every answer back.
        container_calls: `Authorization` of each request for container credentials.
        exchanges: Requests for a delegated key.
        delegated_key: What they are answered; None refuses them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self._runner: web.AppRunner | None = None
        self.calls: list[Call] = []
        self.faults: list[int | str] = []
        self.is_answering = asyncio.Event()
        self.is_answering.set()
        self.container_calls: list[str] = []
        self.exchanges: list[Call] = []
        self.delegated_key: str | None = "delegated-key"
        self.wrong: list[str] = []
        """Signatures that botocore would not have made."""
        self._called = asyncio.Event()

    # --- what the tests set up -----------------------------------------------------------------------------------

    def seen_by(self, program: Program, is_trusted: bool = True) -> Program:
        """The program with these hosts in its view of the system, and our authority among its trusted roots."""
        names = [f"{service}.{region}.amazonaws.com" for service in SERVICES.values() for region in REGIONS]
        hosts = self._folder / "hosts"
        hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in [*names, EXCHANGE, "localhost"]))
        roots = self._folder / "roots"
        roots.mkdir(exist_ok=True)
        authority = self._authority if is_trusted else trustme.CA()
        for name, pem in import_build_tool("ca").hashed_roots(authority.cert_pem.bytes()).items():
            (roots / name).write_bytes(pem)
        place = "/opt/thimble/lib/ca" if program.form == FROZEN else "/etc/ssl/certs"
        binds = [*program.binds, (hosts, "/etc/hosts"), (roots, place)]
        return Program(program.form, program.command, program.variables, binds)

    def authority_file(self) -> str:
        """A file with our authority."""
        path = self._folder / "authority.pem"
        path.write_bytes(self._authority.cert_pem.bytes())
        return str(path)

    def create(self, operation: str, region: str = "us-east-1", **fields: object) -> dict[str, Any]:
        """Call moto as an administrator: `create("AmazonSSM.PutParameter", Name=…)`."""
        service = SERVICES[operation.partition(".")[0]]
        scope = f"Credential=ADMIN/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 {scope}",
            "X-Amz-Target": operation,
            "Content-Type": "application/x-amz-json-1.1",
        }
        status, body = self._ask_moto(f"{service}.{region}.amazonaws.com", headers, json.dumps(fields).encode())
        assert status == 200, body
        return json.loads(body) if body else {}

    def encrypt(self, text: str, **context: str) -> str:
        """`text` as KMS cipher text, base64."""
        key = self.create("TrentService.CreateKey")["KeyMetadata"]["KeyId"]
        plain = base64.b64encode(text.encode()).decode()
        fields: dict[str, object] = {"KeyId": key, "Plaintext": plain}
        if context:
            fields["EncryptionContext"] = context
        return str(self.create("TrentService.Encrypt", **fields)["CiphertextBlob"])

    async def wait_for_calls(self, count: int, timeout_s: float = 10.0) -> None:
        """Wait until so many signed calls have come in all."""
        async with asyncio.timeout(timeout_s):
            while len(self.calls) < count:
                self._called.clear()
                await self._called.wait()

    # --- serving -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Aws:
        import moto.server
        from werkzeug.test import Client

        self._moto = Client(moto.server.DomainDispatcherApplication(moto.server.create_backend_app))
        self._moto.post("/moto-api/reset", base_url="http://motoapi.amazonaws.com")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = [f"*.{region}.amazonaws.com" for region in REGIONS]
        self._authority.issue_cert(*names, EXCHANGE).configure_cert(tls)
        await web.TCPSite(self._runner, "127.0.0.1", 443, ssl_context=tls).start()
        await web.TCPSite(self._runner, "127.0.0.1", CONTAINER_PORT).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self.is_answering.set()
        await self._runner.cleanup()
        assert self.wrong == []

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = Call(request.host, dict(request.headers), body)
        if request.path == CONTAINER:
            return self._container(request)
        if request.host == EXCHANGE:
            self.exchanges.append(call)
            if self.delegated_key is None:
                return web.json_response({"errors": ["echo of a secret"]}, status=403)
            return web.json_response({"data": {"attributes": {"api_key": self.delegated_key}}})
        self.calls.append(call)
        self._called.set()
        self._check(call)
        fault = self.faults.pop(0) if self.faults else ""
        await self.is_answering.wait()
        if fault == HANG:
            await asyncio.Event().wait()
        if fault == CLOSE and request.transport is not None:
            request.transport.abort()
        if fault == GARBAGE:
            return web.Response(text="<html>who are you?</html>")
        if fault == DENIED:
            text = f"User: {ROLE} is not authorized to perform: this because no identity-based policy allows it"
            return web.json_response({"__type": "AccessDeniedException", "Message": text}, status=400)
        if fault == THROTTLED:
            return web.json_response({"__type": "ThrottlingException", "message": "Rate exceeded"}, status=400)
        if isinstance(fault, int):
            return web.json_response({"__type": "InternalServiceError"}, status=fault)
        status, answer = self._ask_moto(request.host, call.headers, body)
        return web.Response(body=answer, status=status, content_type="application/x-amz-json-1.1")

    def _container(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        self.container_calls.append(authorization)
        if authorization != CONTAINER_TOKEN:
            return web.Response(status=403)
        key, secret = FUNCTION_VARIABLES["AWS_ACCESS_KEY_ID"], FUNCTION_VARIABLES["AWS_SECRET_ACCESS_KEY"]
        return web.json_response({"AccessKeyId": key, "SecretAccessKey": secret, "Token": "restored-token"})

    def _ask_moto(self, host: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        response = self._moto.post("/", base_url=f"https://{host}", headers=headers, data=body)
        return response.status_code, response.get_data()

    def _check(self, call: Call) -> None:
        """The signature that botocore makes for these headers and this body is the one that came."""
        authorization = call.headers["Authorization"]
        scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
        names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        given = {name.lower(): value for name, value in call.headers.items()}
        request = AWSRequest("POST", f"https://{call.host}/", data=call.body)
        for name in names:
            if name != "host":
                request.headers[name] = given[name]
        request.context["timestamp"] = given["x-amz-date"]
        secret = FUNCTION_VARIABLES["AWS_SECRET_ACCESS_KEY"]
        auth = SigV4Auth(Credentials(scope[0], secret), scope[3], scope[2])
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if not authorization.endswith(f"Signature={expected}") or call.host.split(".")[:2] != [scope[3], scope[2]]:
            self.wrong.append(authorization)
