"""Runtime API 2018-06-01: invocation/next, response, error, init/error, and the SnapStart hooks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, NoReturn

from aiohttp import ClientError, web

from thimble.sandbox.generation import Fatal, Generation
from thimble.sandbox.recorder import ApiCall, Recorder
from thimble.sandbox.runtime_side import RESPONSE_BYTES_MAX, Answer, Invocation, clean_error_type
from thimble.sandbox.spec import INIT_SNAP_START
from thimble.sandbox.states import ApiRefusal, invocation_error_document

if TYPE_CHECKING:
    from thimble.sandbox.environment import Environment

STATUS_OK = b'{"status":"OK"}\n'
ERROR_TYPE_HEADER = "Lambda-Runtime-Function-Error-Type"
MODE_HEADER = "Lambda-Runtime-Function-Response-Mode"
TOO_LARGE = "Function.ResponseSizeTooLarge"


class RuntimeApi:
    """Endpoints over the present generation's runtime."""

    def __init__(self, environment: Environment, recorder: Recorder) -> None:
        self._environment = environment
        self._recorder = recorder

    def _generation(self) -> Generation:
        if self._environment.generation is None:
            raise ApiRefusal(500, "InternalServerError", "Internal Server Error")
        return self._environment.generation

    async def next(self, _request: web.Request, _call: ApiCall) -> web.StreamResponse:
        generation = self._generation()
        waiter = generation.runtime.begin_next(self._recorder.clock.now_ns())
        generation.changed()
        try:
            invocation = await waiter
        except asyncio.CancelledError:
            generation.runtime.abandon_next(waiter)
            raise
        return web.Response(body=invocation.payload, headers=next_headers(generation, invocation))

    async def response(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation = self._generation()
        runtime, clock = generation.runtime, self._recorder.clock
        invocation = runtime.invocation_for(request.match_info["request_id"])
        mode = request.headers.get(MODE_HEADER, "")
        if mode not in ("", "streaming", "buffered"):
            raise ApiRefusal(400, "InvalidFunctionResponseMode", f"Invalid function response mode {mode}")
        runtime.act("response")
        invocation.is_response = True
        invocation.response_first_ns = clock.now_ns()
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in request.content.iter_any():
                if not pieces:
                    invocation.response_first_ns = clock.now_ns()
                size += len(piece)
                if size <= RESPONSE_BYTES_MAX or mode == "streaming":
                    pieces.append(piece)
        except (asyncio.CancelledError, ClientError):
            generation.fail(Fatal("Runtime.TruncatedResponse", "Runtime broke off its response"))
            raise
        invocation.response_last_ns = clock.now_ns()
        runtime.act("sent")
        if size > RESPONSE_BYTES_MAX and mode != "streaming":
            self._refuse_large(generation, invocation)
        invocation.produced_bytes = size
        call.body = b"".join(pieces)
        invocation.answer(Answer(call.body), clock.now_ns())
        generation.changed()
        return accepted()

    def _refuse_large(self, generation: Generation, invocation: Invocation) -> NoReturn:
        """Answer the caller in the runtime's place, and the runtime with 413.

        Raises:
            ApiRefusal: Always.
        """
        text = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
        invocation.error_type = TOO_LARGE
        document = invocation_error_document(TOO_LARGE, text)
        invocation.answer(Answer(document, "Unhandled", TOO_LARGE), self._recorder.clock.now_ns())
        generation.changed()
        text = f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
        raise ApiRefusal(413, "RequestEntityTooLarge", text)

    async def error(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation = self._generation()
        runtime = generation.runtime
        invocation = runtime.invocation_for(request.match_info["request_id"])
        runtime.act("error")
        call.body = await request.read()
        runtime.act("sent")
        invocation.posted_error_type = clean_error_type(request.headers.get(ERROR_TYPE_HEADER))
        invocation.answer(Answer(error_of(request, call.body), "Unhandled"), self._recorder.clock.now_ns())
        generation.changed()
        return accepted()

    async def init_error(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation = self._generation()
        generation.runtime.act("init_error")
        error_type = clean_error_type(request.headers.get(ERROR_TYPE_HEADER))
        answer = Answer(call.body, "Unhandled", error_type)
        generation.runtime.init_error = answer
        generation.fail(Fatal(error_type, "Runtime reported an initialisation error", answer))
        return accepted()

    async def restore_next(self, _request: web.Request, _call: ApiCall) -> web.StreamResponse:
        generation = self._generation()
        if generation.function.init_type != INIT_SNAP_START:
            return web.Response(status=404)
        waiter = generation.runtime.begin_restore(self._recorder.clock.now_ns())
        generation.changed()
        await waiter
        return web.Response(body=b"")

    async def restore_error(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation = self._generation()
        if generation.function.init_type != INIT_SNAP_START:
            return web.Response(status=404)
        generation.runtime.act("restore_error")
        error_type = clean_error_type(request.headers.get(ERROR_TYPE_HEADER))
        generation.fail(Fatal(error_type, "Restore hook failed", Answer(call.body, "Unhandled", error_type)))
        return accepted()

    async def ping(self, _request: web.Request, _call: ApiCall) -> web.StreamResponse:
        return web.Response(text="pong")

    async def credentials(self, request: web.Request, _call: ApiCall) -> web.StreamResponse:
        if request.headers.get("Authorization") != "local-authorization-token":
            return web.Response(status=403)
        return web.json_response(
            {
                "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
                "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "Token": "local-session-token",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        )


def accepted() -> web.Response:
    """202, the answer to every accepted post."""
    return web.Response(status=202, body=STATUS_OK, content_type="application/json")


def error_of(request: web.Request, body: bytes) -> bytes:
    """The error document of a post; one content type wraps it together with its cause."""
    if request.content_type != "application/vnd.aws.lambda.error.cause+json":
        return body
    try:
        parsed = json.loads(body)
    except ValueError:
        return body
    wrapped = {key: parsed[key] for key in ("errorMessage", "errorType") if isinstance(parsed, dict) and key in parsed}
    return json.dumps(wrapped).encode() if wrapped else body


def next_headers(generation: Generation, invocation: Invocation) -> dict[str, str]:
    """Headers that tell the runtime about its invocation."""
    headers = {
        # Exactly this type: awslambdaric hands the body of any other to the handler as bytes.
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_wall_ms),
        "Lambda-Runtime-Invoked-Function-Arn": generation.function.arn,
    }
    optional = {
        "Lambda-Runtime-Trace-Id": invocation.trace,
        "Lambda-Runtime-Client-Context": invocation.client_context,
        "Lambda-Runtime-Cognito-Identity": invocation.cognito_identity,
        "Lambda-Runtime-Aws-Tenant-Id": invocation.tenant_id if generation.function.is_tenant_isolated else None,
    }
    return headers | {name: value for name, value in optional.items() if value}
