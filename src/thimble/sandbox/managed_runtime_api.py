"""Runtime API on Lambda Managed Instances: many workers ask for invocations, and answer in any order."""

from __future__ import annotations

import asyncio

from aiohttp import web

from thimble.sandbox.generation import Generation
from thimble.sandbox.managed_workers import ManagedRuntime
from thimble.sandbox.recorder import ApiCall
from thimble.sandbox.runtime_api import ERROR_TYPE_HEADER, RuntimeApi, accepted, error_of, next_headers
from thimble.sandbox.runtime_side import RESPONSE_BYTES_MAX, Answer, clean_error_type


class ManagedRuntimeApi(RuntimeApi):
    """The same endpoints, over a `ManagedRuntime`."""

    def _managed(self) -> tuple[Generation, ManagedRuntime]:
        generation = self._generation()
        assert generation.managed is not None
        return generation, generation.managed

    async def next(self, _request: web.Request, _call: ApiCall) -> web.StreamResponse:
        generation, runtime = self._managed()
        now_ns = self._recorder.clock.now_ns()
        if generation.runtime.first_next_ns is None:
            generation.runtime.first_next_ns = now_ns
        waiter = runtime.begin_next()
        generation.changed()
        try:
            invocation = await waiter
        except asyncio.CancelledError:
            runtime.abandon_next(waiter)
            raise
        return web.Response(body=invocation.payload, headers=next_headers(generation, invocation))

    async def response(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation, runtime = self._managed()
        invocation = runtime.take(request.match_info["request_id"])
        clock = self._recorder.clock
        invocation.is_response = True
        invocation.response_first_ns = clock.now_ns()
        call.body = await request.read()
        invocation.response_last_ns = clock.now_ns()
        if len(call.body) > RESPONSE_BYTES_MAX:
            self._refuse_large(generation, invocation)
        invocation.produced_bytes = len(call.body)
        invocation.answer(Answer(call.body), clock.now_ns())
        generation.changed()
        return accepted()

    async def error(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation, runtime = self._managed()
        invocation = runtime.take(request.match_info["request_id"])
        invocation.response_first_ns = self._recorder.clock.now_ns()
        call.body = await request.read()
        invocation.response_last_ns = self._recorder.clock.now_ns()
        invocation.posted_error_type = clean_error_type(request.headers.get(ERROR_TYPE_HEADER))
        answer = Answer(error_of(request, call.body), "Unhandled", invocation.posted_error_type)
        invocation.answer(answer, self._recorder.clock.now_ns())
        generation.changed()
        return accepted()
