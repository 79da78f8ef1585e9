"""Stage 1: the composition root, and the root of the compiled group.

Everything is made here and handed down; no module below reaches for the environment, the clock or a global.
"""

from __future__ import annotations

import gc
import posix
import select
import sys
from time import monotonic_ns, thread_time_ns, time_ns
from typing import TYPE_CHECKING, Final

from thimble.config.aws import read_lambda_environment
from thimble.config.environment import load_settings
from thimble.config.model import Settings
from thimble.core.drops import Drops
from thimble.core.lifecycle.enhanced_metrics import EnhancedMetrics
from thimble.core.lifecycle.flush_control import FlushControl
from thimble.core.lifecycle.init_tags import InitTags
from thimble.core.lifecycle.invocation_records import InvocationRecords
from thimble.core.limits import (
    INVOCATION_RECORDS_MAX,
    LOG_ENTRIES_MAX,
    LOG_PAYLOAD_BYTES_MAX,
    LOG_STORE_BYTES_MAX,
)
from thimble.core.logs.aggregator import LogAggregator
from thimble.core.logs.processor import LogProcessor
from thimble.core.tags import static_tags, tag_text
from thimble.http.client import Client
from thimble.http.server import Handler, HttpServer
from thimble.kernels.log_batch import release_memory
from thimble.reactor.errors import TlsFailed
from thimble.reactor.loop import Loop, Task
from thimble.reactor.tls import TlsContext
from thimble.shell.api_key import ApiKeySource
from thimble.shell.compress import zstd_compressor
from thimble.shell.flusher import Flusher
from thimble.shell.invocations import InvocationLoop
from thimble.shell.log import Log
from thimble.shell.parts import (
    aws_proxy_rules,
    has_secret_source,
    line_options,
    logs_destinations,
    metrics_aggregator,
    metrics_endpoints,
    proxy_rules,
)
from thimble.shell.proc_stats import ProcReader
from thimble.shell.sandbox_metrics import SandboxMetrics
from thimble.shell.shutdown import shut_down
from thimble.sinks.logs import LogsSink
from thimble.sinks.metrics import MetricsSink
from thimble.sinks.sink import Sink
from thimble.sources.dogstatsd_udp import DogStatsd
from thimble.sources.extensions_api import ExtensionsApi
from thimble.sources.lifecycle_http import LifecycleHandler
from thimble.sources.telemetry import TelemetryHandler
from thimble.sources.trace_agent import TraceAgentHandler
from thimble.version import VERSION

if TYPE_CHECKING:
    from socket import socket as Socket
    from typing import Any

    from thimble.core.traces.facts import TraceFacts

LIFECYCLE_PORT: Final = 8124
DOGSTATSD_PORT: Final = 8125
TRACE_AGENT_PORT: Final = 8126
TELEMETRY_PORT: Final = 8999
SYSTEM_CA_DIRECTORY: Final = "/etc/ssl/certs"


def write(descriptor: int, data: bytes) -> None:
    """Write a log line; a reader that went away must not hurt us."""
    try:
        posix.write(descriptor, data)
    except OSError:
        return


def monotonic_ms() -> int:
    return monotonic_ns() // 1_000_000


def wall_ms() -> int:
    return time_ns() // 1_000_000


def ca_directory() -> str:
    """The bundle's own roots, or the system's when we are not frozen."""
    base: str = getattr(sys, "_MEIPASS", "")
    return base + "/ca" if base else SYSTEM_CA_DIRECTORY


def run(handover: Any) -> int:
    """Run stage 1 until the sandbox ends.

    Args:
        handover: A `thimble.boot.Handover`.

    Returns:
        The exit code.
    """
    environ = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in handover.environ.items()
    }
    loaded: tuple[Settings, list[str]] = handover.loaded or load_settings(environ)
    settings, warnings = loaded
    log = Log(settings.log_verbosity, write, monotonic_ms)
    for warning in warnings:
        log.warn(warning)
    app = App(handover, settings, environ, log)
    gc.freeze()
    gc.enable()
    app.loop.run(app.main())
    return 0


class App:
    """Everything that lives as long as the process."""

    def __init__(self, handover: Any, settings: Settings, environ: dict[str, str], log: Log) -> None:
        aws = read_lambda_environment(environ)
        self._handover = handover
        self._settings = settings
        self._aws = aws
        self._environ = environ
        self._log = log
        self.loop = Loop(select.epoll(), monotonic_ns, self._on_task_error)
        self.drops = Drops()
        tags = static_tags(settings, aws, handover.account_id, posix.uname().machine, VERSION)
        compress = zstd_compressor(settings.logs_compression_level) if settings.logs_use_compression else None
        self.aggregator = LogAggregator(
            LOG_ENTRIES_MAX,
            LOG_PAYLOAD_BYTES_MAX,
            LOG_STORE_BYTES_MAX,
            None if settings.pipelines_worker_logs_enabled else compress,
            self.drops,
        )
        self.saved = Drops()
        self.processor = LogProcessor(
            tags.get("function_arn", ""),
            settings.service.lower(),
            tag_text(tags),
            settings.logs_enabled,
            self.aggregator,
            self.drops,
            aws.is_managed_instance,
            line_options(settings, self.saved, log),
            self.saved,
        )
        self.metrics_aggregator = metrics_aggregator(settings, tags, self.drops, log)
        self.dogstatsd: DogStatsd | None = None
        sinks: list[Sink] = [
            LogsSink(
                logs_destinations(settings, log),
                self.processor,
                self.aggregator,
                compress,
                self.drops,
                log.warn,
                log.debug,
            ),
            MetricsSink(metrics_endpoints(settings), self.metrics_aggregator, self._drain_datagrams),
        ]
        self.api_key = ApiKeySource(
            self.loop,
            log,
            monotonic_ms,
            settings.api_key,
            self._resolve_key if has_secret_source(settings) else None,
            int(settings.api_key_secret_reload_interval_s * 1000),
            not aws.is_snap_start,
        )
        self.flusher = Flusher(
            self.loop,
            Client(self.loop, self._make_tls, proxy_rules(settings, log)),
            sinks,
            self.api_key,
            settings.flush_timeout_s * 1000,
            self.drops,
            log,
            release_memory,
        )
        init_tags = InitTags(aws.is_snap_start, monotonic_ms())
        self.metrics = SandboxMetrics(
            self.loop,
            EnhancedMetrics(
                self.metrics_aggregator.insert_distribution,
                InvocationRecords(INVOCATION_RECORDS_MAX),
                init_tags,
                aws.is_managed_instance,
                bool(handover.is_subscribed),
                posix.uname().machine,
            ),
            init_tags,
            ProcReader(),
            wall_ms,
            monotonic_ms,
            thread_time_ns,
            settings.enhanced_metrics,
            settings.proc_enhanced_metrics and bool(handover.is_subscribed),
            aws.is_managed_instance,
            log,
        )
        self.invocations = InvocationLoop(
            self.loop,
            ExtensionsApi(self.loop, handover),
            FlushControl(settings.flush_strategy, settings.flush_timeout_s, wall_ms() // 1000),
            self.flusher,
            self.metrics,
            log,
            wall_ms,
            bool(handover.is_subscribed),
            settings.flush_timeout_s * 1000,
            settings.max_billed_ms_per_invocation,
            self.processor.on_deadline,
            self.processor.on_end_call,
        )
        self.servers: list[HttpServer] = []

    async def main(self) -> None:
        """Serve until the platform ends the sandbox, then shut down."""
        self._serve(
            TELEMETRY_PORT,
            TelemetryHandler(self.processor, wall_ms, self.invocations.on_events, self.drops),
            "telemetry",
        )
        self._serve(LIFECYCLE_PORT, LifecycleHandler(self.invocations.on_end_call, self._flush_on_call), "lifecycle")
        on_traces = self._on_traces if self.processor.wants_traces else None
        self._serve(TRACE_AGENT_PORT, TraceAgentHandler(self.drops, on_traces), "trace agent")
        datagrams: Socket | None = self._handover.sockets.get(DOGSTATSD_PORT)
        if datagrams is not None:
            self.dogstatsd = DogStatsd(
                self.loop,
                datagrams,
                self.metrics_aggregator.store,
                self.drops,
                wall_ms,
                self._log.warn,
                self._log.debug,
                self._settings.dogstatsd_so_rcvbuf,
            )
            self.loop.spawn(self.dogstatsd.serve(), "dogstatsd")
        self.api_key.refresh()
        end = await self.invocations.run()
        await shut_down(
            self.loop, self.invocations, self.servers, self.flusher, self.metrics, self.drops, self._log, end.budget_ms
        )
        saved = self.saved.report()
        if saved:
            made = f"{self.aggregator.entries_made} entries of {self.aggregator.bytes_made} bytes"
            self._log.info(f"LOGS | Made {made}; not sent on purpose: {', '.join(saved)}.")

    def _serve(self, port: int, handler: Handler, name: str) -> None:
        sock: Socket | None = self._handover.sockets.get(port)
        if sock is not None:
            self.servers.append(HttpServer(self.loop, sock, handler, name, self._on_defect))

    def _on_traces(self, facts: TraceFacts) -> None:
        self.processor.on_traces(facts, self.invocations.request_id)

    def _drain_datagrams(self) -> None:
        if self.dogstatsd is not None:
            self.dogstatsd.drain()

    async def _flush_on_call(self) -> None:
        await self.flusher.flush(self.loop.deadline_in_ms(self._settings.max_billed_ms_per_invocation))

    async def _resolve_key(self) -> str:
        # Interpreted, and imported here: a function with a plain key never pays for it.
        from thimble.shell.aws.resolve import resolve_key

        settings = self._settings
        return await resolve_key(
            settings,
            self._aws,
            self._environ,
            self.loop,
            Client(self.loop, self._make_aws_tls, aws_proxy_rules(settings, self._log)),
            Client(self.loop, self._make_tls, proxy_rules(settings, self._log)),
            Client(self.loop, self._make_aws_tls),
        )

    def _make_aws_tls(self) -> TlsContext:
        """For AWS alone: the settings for Datadog's certificates do not apply."""
        return TlsContext(ca_directory(), "", True)

    def _make_tls(self) -> TlsContext:
        settings = self._settings
        try:
            return TlsContext(ca_directory(), settings.tls_cert_file, not settings.skip_ssl_validation)
        except TlsFailed as error:
            if not settings.tls_cert_file:
                raise
            text = f"EXTENSION | DD_TLS_CERT_FILE is not used, the default certificates are: {error}"
            self._log.error_once("tls_cert_file", text)
            return TlsContext(ca_directory(), "", True)

    def _on_task_error(self, task: Task) -> None:
        for server in self.servers:
            server.check()
        self._report_defect(task.name, task.error)

    def _on_defect(self, name: str, error: Exception) -> None:
        self._report_defect(name, error)

    def _report_defect(self, name: str, error: BaseException | None) -> None:
        self._log.error_once(f"defect {name}", f"EXTENSION | Defect in {name}: {type(error).__name__}: {error}")
