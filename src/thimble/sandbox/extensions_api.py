"""Extensions API 2020-01-01: register, event/next, init/error, exit/error."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from thimble.sandbox import proc_tree, states
from thimble.sandbox.extension_side import Extension, LifecycleEvent
from thimble.sandbox.faults import Faults
from thimble.sandbox.generation import GONE, SHUTDOWN, Fatal, Generation
from thimble.sandbox.recorder import ApiCall, Recorder
from thimble.sandbox.spec import PlatformOptions
from thimble.sandbox.states import ApiRefusal, InvalidTransition

if TYPE_CHECKING:
    from thimble.sandbox.environment import Environment

IDENTIFIER_HEADER = "Lambda-Extension-Identifier"
ERROR_TYPE_HEADER = "Lambda-Extension-Function-Error-Type"
STATUS_OK = b'{"status":"OK"}\n'
ABANDON_GRACE_S = 0.1
"""A process whose `next` broke off and that still lives after so long did not just exit."""


class ExtensionsApi:
    """Endpoints over the present generation's extension registry."""

    def __init__(self, environment: Environment, recorder: Recorder, faults: Faults, options: PlatformOptions) -> None:
        self._environment = environment
        self._recorder = recorder
        self._faults = faults
        self._options = options

    async def register(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation = _current(self._environment)
        name = request.headers.get("Lambda-Extension-Name", "")
        call.caller = name
        if not name:
            raise ApiRefusal(403, "Extension.InvalidExtensionName", "Empty extension name")
        body = _parse_registration(call.body)
        try:
            extension = generation.registry.register(name, _events_of(body), self._recorder.clock.now_ns())
        except ApiRefusal as refusal:
            self._recorder.violate(f"register refused: {refusal.message}", name, generation.number)
            raise
        generation.changed()
        function = generation.function
        answer: dict[str, object] = {
            "functionName": function.name,
            "functionVersion": function.version,
            "handler": function.handler,
        }
        features = request.headers.get("Lambda-Extension-Accept-Feature", "")
        if self._options.has_account_id and "accountId" in [item.strip() for item in features.split(",")]:
            answer["accountId"] = function.account_id
        return _json(answer, {IDENTIFIER_HEADER: extension.identifier})

    async def next(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation = _current(self._environment)
        extension = _identify(generation, request, "Unknown extension {id}")
        call.caller = extension.name
        if extension.has_read_shutdown:
            self._recorder.violate("next after SHUTDOWN", extension.name, generation.number)
            await asyncio.Event().wait()
        if self._faults.take_unknown_event():
            return _json({"eventType": "PAUSE", "deadlineMs": 0})
        try:
            waiter = extension.begin_next(self._recorder.clock.now_ns())
        except InvalidTransition as refusal:
            raise self._refuse(refusal, extension, generation) from None
        generation.changed()
        try:
            event = await waiter
        except asyncio.CancelledError:
            extension.abandon_next(waiter)
            self._watch_abandoned(generation, extension)
            raise
        return self._event(event)

    def _event(self, event: LifecycleEvent) -> web.Response:
        headers = {}
        if event["eventType"] == "INVOKE":
            headers["Lambda-Extension-Event-Identifier"] = str(uuid.uuid4())
        return _json(event, headers, self._faults.next_content_type)

    def _watch_abandoned(self, generation: Generation, extension: Extension) -> None:
        """A broken `next` is a breach of protocol unless its process is just exiting."""
        process = next((p for p in generation.processes.running if p.name == extension.name), None)
        if process is None:
            return

        def look() -> None:
            is_over = generation.phase in (SHUTDOWN, GONE)
            if not is_over and process.is_running and proc_tree.is_alive(process.pid):
                self._recorder.violate("next abandoned by its client", extension.name, generation.number)

        asyncio.get_running_loop().call_later(ABANDON_GRACE_S, look)

    async def init_error(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        return self._report_error(request, call, "init_error", "Extension.InitError")

    async def exit_error(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        return self._report_error(request, call, "exit_error", "Extension.ExitError")

    def _report_error(self, request: web.Request, call: ApiCall, action: str, fatal_type: str) -> web.Response:
        generation = _current(self._environment)
        extension = _identify(generation, request, "Unknown Lambda-Extension-Identifier")
        call.caller = extension.name
        given = request.headers.get(ERROR_TYPE_HEADER)
        if not given:
            raise ApiRefusal(403, "Extension.MissingHeader", f"{ERROR_TYPE_HEADER} not found")
        is_repeated = extension.state in (states.INIT_ERROR, states.EXIT_ERROR)
        try:
            extension.act(action)
        except InvalidTransition as refusal:
            raise self._refuse(refusal, extension, generation) from None
        if not is_repeated:
            extension.error_type = given
            generation.fail(Fatal(fatal_type, given))
        return web.Response(status=202, body=STATUS_OK, content_type="application/json")

    def _refuse(self, refusal: InvalidTransition, extension: Extension, generation: Generation) -> ApiRefusal:
        text = refusal.text(f"extension {extension.identifier}")
        self._recorder.violate(text, extension.name, generation.number)
        return ApiRefusal(403, "Extension.InvalidExtensionState", text)


def _current(environment: Environment) -> Generation:
    if environment.generation is None:
        raise ApiRefusal(500, "InternalServerError", "Internal Server Error")
    return environment.generation


def _identify(generation: Generation, request: web.Request, unknown_text: str) -> Extension:
    return generation.registry.identify(request.headers.get(IDENTIFIER_HEADER), unknown_text)


def _parse_registration(body: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(body)
    except ValueError:
        text = "unexpected end of JSON input" if not body else "invalid JSON"
        raise ApiRefusal(403, "InvalidRequestFormat", text) from None
    if not isinstance(parsed, dict):
        raise ApiRefusal(403, "InvalidRequestFormat", "a JSON object is expected")
    if parsed.get("configurationKeys"):
        text = "configurationKeys are deprecated; use environment variables instead"
        raise ApiRefusal(403, "InvalidRequestFormat", text)
    return parsed


def _events_of(body: dict[str, object]) -> list[str]:
    events = body.get("events") or []
    if not isinstance(events, list):
        raise ApiRefusal(403, "InvalidRequestFormat", "events is not an array")
    return [str(event) for event in events]


def _json(
    value: dict[str, object], headers: dict[str, str] | None = None, content_type: str = "application/json"
) -> web.Response:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return web.Response(body=body, headers={"Content-Type": content_type} | (headers or {}))
