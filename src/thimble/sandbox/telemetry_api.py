"""Telemetry API 2022-07-01: one call, which subscribes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from thimble.sandbox.faults import Faults
from thimble.sandbox.recorder import ApiCall
from thimble.sandbox.spec import PlatformOptions
from thimble.sandbox.states import ApiRefusal, error_document
from thimble.sandbox.subscription import SubscriptionRefused, parse_subscription

if TYPE_CHECKING:
    from thimble.sandbox.environment import Environment


class TelemetryApi:
    """Endpoint over the present generation's telemetry hub."""

    def __init__(self, environment: Environment, faults: Faults, options: PlatformOptions) -> None:
        self._environment = environment
        self._faults = faults
        self._options = options

    async def subscribe(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        generation = self._environment.generation
        if generation is None:
            raise ApiRefusal(500, "InternalServerError", "Internal Server Error")
        if self._faults.is_telemetry_stub:
            document = error_document("Telemetry.NotSupported", "Telemetry API is not supported")
            return web.Response(status=202, body=document, content_type="application/json")
        extension = generation.registry.identify(
            request.headers.get("Lambda-Extension-Identifier"), "Unknown Lambda-Extension-Identifier"
        )
        call.caller = extension.name
        if not generation.hub.is_open:
            raise ApiRefusal(403, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed")
        if extension.name in generation.hub.subscribers and self._options.duplicate_subscription_status != 200:
            raise ApiRefusal(
                self._options.duplicate_subscription_status, "InternalServerError", "Internal Server Error"
            )
        try:
            subscription = parse_subscription(
                _decode(call.body),
                is_managed=generation.function.is_managed,
                is_strict=self._options.telemetry_buffering_strict,
            )
        except SubscriptionRefused as refusal:
            raise ApiRefusal(400, "ValidationError", str(refusal)) from None
        await generation.hub.subscribe(extension.name, subscription)
        return web.Response(body=b'"OK"', content_type="application/json")


def _decode(body: bytes) -> object:
    try:
        decoded: object = json.loads(body)
    except ValueError:
        return None
    return decoded
