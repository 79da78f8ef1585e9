"""What the local Lambda is asked to run: a function, extensions, and the platform's own options.

Everything here is plain data. Times carry their unit in the name; paths are absolute; texts go on the wire as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

INIT_ON_DEMAND = "on-demand"
INIT_PROVISIONED = "provisioned-concurrency"
INIT_SNAP_START = "snap-start"
INIT_MANAGED = "lambda-managed-instances"

LogFormat = Literal["Text", "JSON"]
ReturnWhen = Literal["done", "responded"]
WhenBusy = Literal["error", "wait", "second"]
FreezeMethod = Literal["sigstop", "cgroup", "none"]
ReleaseOrder = Literal["extensions_first", "runtime_first", "random"]
ReasonWords = Literal["lower", "upper", "rie"]


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One Lambda function as its owner configured it.

    `bootstrap` is the command that starts the runtime interface client; `thimble.sandbox.runtimes` makes complete
    specs for Python, Node and custom runtimes.
    """

    bootstrap: Sequence[str]
    """Command and arguments that start the runtime, without the exec wrapper."""
    root: Path
    """Folder of the function's code: the runtime's working directory."""
    handler: str = ""
    name: str = "local-function"
    runtime: str = "python3.11"
    """Runtime identifier; becomes `AWS_EXECUTION_ENV=AWS_Lambda_<runtime>`."""
    runtime_version: str = ""
    """Text of `runtimeVersion` in `platform.initStart`; empty means `<runtime>.local`."""
    runtime_version_arn: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """The customer's variables, seen by the runtime and by extensions."""
    memory_mb: int = 512
    timeout_s: float = 3.0
    log_format: LogFormat = "Text"
    log_level: str = ""
    init_type: str = INIT_ON_DEMAND
    version: str = "$LATEST"
    account_id: str = "123456789012"
    region: str = "us-east-1"
    is_tenant_isolated: bool = False
    has_log_descriptor: bool = False
    """Give the runtime the framed log descriptor `_LAMBDA_TELEMETRY_LOG_FD`."""
    task_root: str = ""
    """Text of `LAMBDA_TASK_ROOT` where it differs from `root` (a bind mount at /var/task)."""
    runtime_dir: str = "/var/runtime"

    @property
    def arn(self) -> str:
        """Unqualified function ARN, in the partition of the region."""
        partition = "aws"
        if self.region.startswith("us-gov-"):
            partition = "aws-us-gov"
        elif self.region.startswith("cn-"):
            partition = "aws-cn"
        return f"arn:{partition}:lambda:{self.region}:{self.account_id}:function:{self.name}"

    @property
    def is_managed(self) -> bool:
        """Lambda Managed Instances: parallel invocations, no freeze, no `runtimeDone`."""
        return self.init_type == INIT_MANAGED


@dataclass(frozen=True, kw_only=True)
class ExtensionSpec:
    """One external extension: an executable whose base name is the extension's name."""

    path: Path
    """The executable. It need not lie in /opt/extensions: only the base name counts."""
    command: Sequence[str] = ()
    """What to execute in its place, for an extension that is not yet one file; `path` then only gives the name."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables for this extension only. Real Lambda has no such thing: for tests and development."""
    leak: frozenset[str] = frozenset()
    """Names of runtime-only variables that it sees all the same, as under AWS's emulator."""
    cwd: str = "/"

    @property
    def name(self) -> str:
        return self.path.name


def discover_extensions(folder: Path) -> list[ExtensionSpec]:
    """The regular entries of `folder` (`/opt/extensions`), in name order; folders are skipped, as Lambda does."""
    if not folder.is_dir():
        return []
    return [ExtensionSpec(path=entry) for entry in sorted(folder.iterdir()) if not entry.is_dir()]


@dataclass(frozen=True, kw_only=True)
class PlatformOptions:
    """How the local platform behaves where Lambda leaves room, or where a test wants the other way.

    The defaults are what on-demand Lambda does. Shorten the times in tests, not in demonstrations.
    """

    when_busy: WhenBusy = "error"
    """An invoke while every environment is busy: fail, wait, or open a second environment."""
    init_timeout_s: float | None = None
    """None: 10 s, or max(130 s, function timeout) for provisioned concurrency, SnapStart and managed instances."""
    has_shutdown_after_init_timeout: bool = False
    """Tell extensions about an INIT timeout (reason `timeout`) in place of killing them at once."""
    release_order: ReleaseOrder = "extensions_first"
    release_gap_ms: float = 0.0
    """Pause between releasing the first and the second side of an invocation, to provoke races."""
    freeze_method: FreezeMethod = "sigstop"
    freeze_delay_ms: float = 0.0
    """Time between "everybody waits in next" and the freeze; telemetry still flows in it."""
    runtime_shutdown_ms: float = 300.0
    """The runtime's share of the shutdown budget (documented 300; AWS's emulator uses 600)."""
    reason_words: ReasonWords = "lower"
    telemetry_at_shutdown: Literal["before", "parallel", "after"] = "before"
    """When pending telemetry reaches subscribers: up to 100 ms before SHUTDOWN, beside it, or 5 ms after it."""
    has_lost_last_report: bool = False
    """Drop the report of a failed invocation, as the real platform may."""
    billing: Literal["2025", "pre-2025"] = "2025"
    init_duration_extra_ms: float = 0.3
    """`initDurationMs` of the report exceeds the one of `initReport` by this: on Lambda they are two clocks."""
    memory_sample_ms: float = 20.0
    """Interval of memory samples while thawed; 0 samples only at the ends of phases."""
    is_memory_enforced: bool = False
    """Kill the runtime when the sum exceeds the function's memory."""
    oom_error_type: str = "Runtime.OutOfMemory"
    has_account_id: bool = True
    has_real_library_path: bool = True
    """Set Lambda's `LD_LIBRARY_PATH`, which catches bundles that load the wrong libraries."""
    has_sequence_id: bool = False
    """Send `Sequence-Id` with telemetry, as AWS's emulator does in managed-instance mode."""
    telemetry_buffering_strict: bool = True
    """Refuse buffering values outside the documented ranges; else clamp them."""
    duplicate_subscription_status: int = 200
    telemetry_post_timeout_s: float = 10.0
    """A telemetry POST without an answer for so long, counted while thawed, has failed."""
    cpu_share: float | None = None
    """Limit the environment's processes to this part of one core (1/14 for 128 MB), where cgroups are writable."""
    managed_concurrency: int = 2
    """Managed instances only: invocations at a time, `AWS_LAMBDA_MAX_CONCURRENCY`."""


@dataclass(kw_only=True)
class InvokeResult:
    """What the caller of one invocation got, and what the platform measured about it."""

    request_id: str
    payload: bytes = b""
    """The function's answer, or the error document."""
    function_error: str | None = None
    """None, or `Unhandled` as in the header `X-Amz-Function-Error`."""
    status_code: int = 200
    cold: bool = False
    """True when INIT ran for this invocation, suppressed INIT included."""
    wall_ms: float = 0.0
    """From the call of `invoke` (INIT included) until the caller had its answer."""
    total_ms: float = 0.0
    """From the call of `invoke` until the invocation phase was over; `wall_ms` with `return_when="responded"`."""
    report: dict[str, object] | None = None
    """Record of `platform.report` as sent; None while the phase is not over."""
    runtime_done: dict[str, object] | None = None
    """Record of `platform.runtimeDone` as sent; None where the platform sent none."""
    logs: list[dict[str, object]] = field(default_factory=list)
    """Telemetry events of type `function` and `extension` captured from the start of this invocation to its end."""
    post_runtime_ms: float = 0.0
    """How long extensions held the environment after the runtime had finished."""
    error_type: str | None = None
    """Platform's error type (`Runtime.ExitError`, `Sandbox.Timedout`, ...), or None when the runtime lived."""
    generation: int = 0

    @property
    def metrics(self) -> dict[str, float]:
        """`report["metrics"]`, or an empty dictionary."""
        metrics = (self.report or {}).get("metrics")
        return metrics if isinstance(metrics, dict) else {}
