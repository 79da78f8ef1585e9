"""Extensions of one generation: who registered, who waits, what was released to them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from thimble.sandbox import states
from thimble.sandbox.states import EXTENSION_TABLE, EXTENSION_TARGETS, ApiRefusal, InvalidTransition

EXTENSIONS_MAX = 10
"""Internal and external extensions of one environment. Source: AWS Lambda quotas; one more is refused."""

KNOWN_EVENTS = ("INVOKE", "SHUTDOWN")
LifecycleEvent = dict[str, object]


class Extension:
    """One extension's state machine and its single slot for a waiting `event/next`."""

    def __init__(self, name: str, *, is_external: bool) -> None:
        self.name = name
        self.is_external = is_external
        self.identifier = str(uuid.uuid4())
        self.state = states.STARTED
        self.events: tuple[str, ...] = ()
        self.error_type: str | None = None
        self.registered_ns: int | None = None
        self.ready_ns: int | None = None
        self.is_told_to_shut_down = False
        self._waiter: asyncio.Future[LifecycleEvent] | None = None
        self._remembered: LifecycleEvent | None = None
        self._state_before_ready = states.REGISTERED

    def act(self, action: str) -> None:
        """Take one step of the table.

        Raises:
            InvalidTransition: Not allowed from the present state.
        """
        self.state = states.step(EXTENSION_TABLE, EXTENSION_TARGETS, self.state, action)

    @property
    def is_registered(self) -> bool:
        return self.registered_ns is not None

    @property
    def is_waiting(self) -> bool:
        """Blocked in `next` with nothing owed to it."""
        return self.state == states.READY and self._remembered is None

    @property
    def has_read_shutdown(self) -> bool:
        """SHUTDOWN was handed out, so that another `next` is a mistake."""
        return self.is_told_to_shut_down and self.state == states.RUNNING and self._remembered is None

    def begin_next(self, now_ns: int) -> asyncio.Future[LifecycleEvent]:
        """Enter `next`; the future has its event already when a release was remembered.

        Raises:
            InvalidTransition: Another `next` is pending, or an error was reported.
        """
        before = self.state
        self.act("next")
        self._state_before_ready = before
        self.ready_ns = now_ns
        waiter: asyncio.Future[LifecycleEvent] = asyncio.get_running_loop().create_future()
        if self._remembered is not None:
            event, self._remembered = self._remembered, None
            self.act("release")
            waiter.set_result(event)
        else:
            self._waiter = waiter
        return waiter

    def release(self, event: LifecycleEvent) -> None:
        """Hand out `event`: at once to a pending `next`, else to the one that will come."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done() and self.state == states.READY:
            self.act("release")
            waiter.set_result(event)
        else:
            self._remembered = event

    def abandon_next(self, waiter: asyncio.Future[LifecycleEvent]) -> None:
        """The client went away while it waited: free the slot, and keep an event that it never read."""
        if waiter.done() and not waiter.cancelled():
            self._remembered = waiter.result()
        elif self._waiter is waiter:
            self._waiter = None
            if self.state == states.READY:
                self.state = self._state_before_ready


class ExtensionRegistry:
    """All extensions of one generation, by name and by identifier."""

    def __init__(self, *, is_managed: bool) -> None:
        self._is_managed = is_managed
        self.is_open = True
        self.by_name: dict[str, Extension] = {}
        self._by_identifier: dict[str, Extension] = {}

    def launch(self, name: str) -> Extension:
        """An external extension whose process is being started."""
        extension = Extension(name, is_external=True)
        self.by_name[name] = extension
        return extension

    def register(self, name: str, events: list[str], now_ns: int) -> Extension:
        """Register an external extension that was launched, or an internal one of any other name.

        Raises:
            ApiRefusal: As the Extensions API words it.
        """
        if not name:
            raise ApiRefusal(403, "Extension.InvalidExtensionName", "Empty extension name")
        extension = self.by_name.get(name)
        is_external = extension is not None and extension.is_external
        self._check_events(events, is_external=is_external)
        if extension is None:
            if not self.is_open:
                raise ApiRefusal(403, "Extension.RegistrationClosed", "Extension registration closed already")
            if len(self.by_name) >= EXTENSIONS_MAX:
                raise ApiRefusal(403, "Extension.TooManyExtensions", f"Extension limit ({EXTENSIONS_MAX}) reached")
            extension = Extension(name, is_external=False)
            self.by_name[name] = extension
        elif not is_external:
            raise ApiRefusal(403, "Extension.InvalidExtensionState", "Extension with this name already registered")
        try:
            extension.act("register")
        except InvalidTransition as refusal:
            raise ApiRefusal(403, "Extension.InvalidExtensionState", refusal.text(f"extension {name}")) from None
        extension.events = tuple(events)
        extension.registered_ns = now_ns
        self._by_identifier[extension.identifier] = extension
        return extension

    def identify(self, identifier: str | None, unknown_text: str) -> Extension:
        """The extension behind `Lambda-Extension-Identifier`.

        Args:
            identifier: The header's value, None when absent.
            unknown_text: Message for an unknown id; `{id}` is replaced.

        Raises:
            ApiRefusal: Absent, not a UUID, or unknown (also one of an earlier generation).
        """
        if not identifier:
            raise ApiRefusal(403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
        try:
            key = str(uuid.UUID(identifier))
        except ValueError:
            raise ApiRefusal(
                403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"
            ) from None
        extension = self._by_identifier.get(key)
        if extension is None:
            text = unknown_text.replace("{id}", key)
            raise ApiRefusal(403, "Extension.UnknownExtensionIdentifier", text)
        return extension

    def registered(self) -> list[Extension]:
        return [extension for extension in self.by_name.values() if extension.is_registered]

    def subscribed(self, event: str) -> list[Extension]:
        """Registered extensions that asked for `event`, external ones first."""
        found = [extension for extension in self.registered() if event in extension.events]
        return sorted(found, key=lambda extension: not extension.is_external)

    def all_match(self, test: Callable[[Extension], bool]) -> bool:
        return all(test(extension) for extension in self.by_name.values())

    def _check_events(self, events: list[str], *, is_external: bool) -> None:
        for event in events:
            refused = f"{event}: ErrorInvalidEventType"
            if event not in KNOWN_EVENTS or (self._is_managed and event == "INVOKE"):
                raise ApiRefusal(403, "Extension.InvalidEventType", refused)
            if not is_external and (event == "SHUTDOWN" or self._is_managed):
                text = f"{event}: ShutdownEventNotSupportedForInternalExtension"
                raise ApiRefusal(403, "Extension.InvalidEventType", text)
