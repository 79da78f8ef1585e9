"""The environment variables that Lambda gives to the runtime and to extensions.

The emulator's own environment is never inherited: a stray `DD_*`, proxy or `PYTHON*` variable would change behaviour.

Source: AWS Lambda Developer Guide, "Defined runtime environment variables" and "Lambda extensions".
"""

from __future__ import annotations

import os
import secrets
import time

from thimble.sandbox.spec import INIT_SNAP_START, ExtensionSpec, FunctionSpec, PlatformOptions

LIBRARY_PATH = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
PATH = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"

HIDDEN_FROM_EXTENSIONS = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "AWS_LAMBDA_MAX_CONCURRENCY",
    }
)
"""Besides every name that starts with an underscore."""


def log_stream_name(version: str, wall_ms: int) -> str:
    """`YYYY/MM/DD/[<version>]<32 hex>`."""
    day = time.strftime("%Y/%m/%d", time.gmtime(wall_ms / 1000))
    return f"{day}/[{version}]{secrets.token_hex(16)}"


def runtime_variables(
    function: FunctionSpec, options: PlatformOptions, runtime_api: str, log_stream: str
) -> dict[str, str]:
    """Everything the runtime process sees."""
    found = {
        "PATH": PATH,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": function.init_type,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "LAMBDA_TASK_ROOT": function.task_root or os.fspath(function.root),
        "LAMBDA_RUNTIME_DIR": function.runtime_dir,
        "_HANDLER": function.handler,
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
    }
    if options.has_real_library_path:
        found["LD_LIBRARY_PATH"] = LIBRARY_PATH
    if function.init_type == INIT_SNAP_START:
        found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://{runtime_api}/2021-04-23/credentials"
        found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "local-authorization-token"  # noqa: S105
    else:
        found["AWS_LAMBDA_LOG_GROUP_NAME"] = f"/aws/lambda/{function.name}"
        found["AWS_LAMBDA_LOG_STREAM_NAME"] = log_stream
        found["AWS_ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE"
        found["AWS_SECRET_ACCESS_KEY"] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105
        found["AWS_SESSION_TOKEN"] = "local-session-token"  # noqa: S105
    log_format = "JSON" if function.is_managed else function.log_format
    if log_format != "Text" or function.log_level:
        found["AWS_LAMBDA_LOG_FORMAT"] = log_format
    if function.log_level:
        found["AWS_LAMBDA_LOG_LEVEL"] = function.log_level
    if function.is_managed:
        found["AWS_LAMBDA_MAX_CONCURRENCY"] = str(options.managed_concurrency)
    # What the customer configures wins over defaults such as PATH, as on Lambda; reserved names cannot be configured.
    return found | dict(function.env) | {"AWS_LAMBDA_RUNTIME_API": runtime_api}


def extension_variables(runtime_env: dict[str, str], extension: ExtensionSpec) -> dict[str, str]:
    """The part of the runtime's environment that an extension sees, plus what its spec adds."""
    visible = {
        name: value
        for name, value in runtime_env.items()
        if name in extension.leak or (name not in HIDDEN_FROM_EXTENSIONS and not name.startswith("_"))
    }
    return visible | dict(extension.env)
