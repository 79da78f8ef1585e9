"""The HTTP server behind `AWS_LAMBDA_RUNTIME_API`: routes, recording, injected faults, error documents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from thimble.sandbox.extensions_api import ExtensionsApi
from thimble.sandbox.faults import CLOSE, Faults
from thimble.sandbox.managed_runtime_api import ManagedRuntimeApi
from thimble.sandbox.recorder import ApiCall, Recorder
from thimble.sandbox.runtime_api import RuntimeApi
from thimble.sandbox.spec import PlatformOptions
from thimble.sandbox.states import ApiRefusal, error_document
from thimble.sandbox.telemetry_api import TelemetryApi

if TYPE_CHECKING:
    from thimble.sandbox.environment import Environment

JSON_TYPE = "application/json"
HEADER_BYTES_MAX = 128 * 1024
"""X-Ray error causes come as a header of up to 64 KiB."""

Endpoint = Callable[[web.Request, ApiCall], Awaitable[web.StreamResponse]]
_OWN_BODY = ("response", "error")
"""Routes that read the request body themselves, to time it or to limit it."""


class ApiServer:
    """One server per environment, for all of its generations."""

    def __init__(
        self,
        environment: Environment,
        recorder: Recorder,
        faults: Faults,
        options: PlatformOptions,
        *,
        is_managed: bool,
    ) -> None:
        self._environment = environment
        self._recorder = recorder
        self._faults = faults
        self._runner: web.AppRunner | None = None
        extensions = ExtensionsApi(environment, recorder, faults, options)
        runtime = (ManagedRuntimeApi if is_managed else RuntimeApi)(environment, recorder)
        telemetry = TelemetryApi(environment, faults, options)
        extension_base = "/2020-01-01/extension"
        runtime_base = "/2018-06-01/runtime"
        self._routes: list[tuple[str, str, str, Endpoint]] = [
            ("POST", f"{extension_base}/register", "register", extensions.register),
            ("GET", f"{extension_base}/event/next", "next", extensions.next),
            ("POST", f"{extension_base}/init/error", "init_error", extensions.init_error),
            ("POST", f"{extension_base}/exit/error", "exit_error", extensions.exit_error),
            ("PUT", "/2022-07-01/telemetry", "telemetry", telemetry.subscribe),
            ("PUT", "/2020-08-15/logs", "telemetry", telemetry.subscribe),
            ("GET", f"{runtime_base}/invocation/next", "runtime_next", runtime.next),
            ("POST", f"{runtime_base}/invocation/{{request_id}}/response", "response", runtime.response),
            ("POST", f"{runtime_base}/invocation/{{request_id}}/error", "error", runtime.error),
            ("POST", f"{runtime_base}/init/error", "runtime_init_error", runtime.init_error),
            ("GET", f"{runtime_base}/restore/next", "restore_next", runtime.restore_next),
            ("POST", f"{runtime_base}/restore/error", "restore_error", runtime.restore_error),
            ("GET", "/2018-06-01/ping", "ping", runtime.ping),
            ("GET", "/2021-04-23/credentials", "credentials", runtime.credentials),
        ]

    async def start(self) -> int:
        """Listen on a free port of 127.0.0.1, which is returned."""
        app = web.Application()
        for method, path, route, endpoint in self._routes:
            app.router.add_route(method, path, self._serving(route, endpoint))
        app.router.add_route("*", "/{path:.*}", self._serving("unknown", _not_found))
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=86_400.0,
            shutdown_timeout=0.2,
            max_field_size=HEADER_BYTES_MAX,
            max_line_size=HEADER_BYTES_MAX,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=128)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            await asyncio.sleep(0)  # transports close at the loop's next turn

    def _serving(self, route: str, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap an endpoint: record the call, apply faults, turn refusals into documents."""

        async def serve(request: web.Request) -> web.StreamResponse:
            call = self._record(route, request)
            latency_ms = self._faults.api_latency_ms.get(route, 0.0)
            if latency_ms > 0:
                await asyncio.sleep(latency_ms / 1000)
            try:
                if route not in _OWN_BODY:
                    call.body = await request.read()
                response = self._injected(route, request) or await endpoint(request, call)
            except ApiRefusal as refusal:
                response = _document(refusal.status, refusal.error_type, refusal.message)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._recorder.violate(f"emulator failed in {route}: {error!r}", generation=call.generation)
                response = _document(500, "InternalServerError", "Internal Server Error")
            call.status = response.status
            call.answered_ns = self._recorder.clock.now_ns()
            self._recorder.changed()
            if isinstance(response, web.Response) and isinstance(response.body, bytes):
                call.answer = response.body
            return response

        return serve

    def _record(self, route: str, request: web.Request) -> ApiCall:
        now_ns = self._recorder.clock.now_ns()
        generation = self._environment.generation
        call = ApiCall(
            at_ns=now_ns,
            wall_ms=self._recorder.clock.wall_ms(now_ns),
            generation=generation.number if generation else 0,
            route=route,
            method=request.method,
            path=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            caller="runtime" if request.path.startswith("/2018-06-01/") else "",
        )
        self._recorder.add_call(call)
        return call

    def _injected(self, route: str, request: web.Request) -> web.Response | None:
        status = self._faults.take_status(route)
        if status is None:
            return None
        if status == CLOSE:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _document(status, "Injected.Fault", "Injected by the local platform")


async def _not_found(_request: web.Request, _call: ApiCall) -> web.StreamResponse:
    return web.Response(status=404)


def _document(status: int, error_type: str, message: str) -> web.Response:
    return web.Response(status=status, body=error_document(error_type, message), content_type=JSON_TYPE)
