"""What Lambda itself tells through the environment: the function, its region, the mode, the local API.

Credentials are not kept here: whoever signs a request reads them at that moment, since they change over a SnapStart
restore and must not lie about.

Source: AWS Lambda Developer Guide, "Defined runtime environment variables".
"""

from __future__ import annotations

from typing import Final

REGION_DEFAULT: Final = "us-east-1"
TASK_ROOT_DEFAULT: Final = "/var/task"
MANAGED_INSTANCES: Final = "lambda-managed-instances"
SNAP_START: Final = "snap-start"
WRAPPER_PATH: Final = "/opt/datadog_wrapper"


class LambdaEnvironment:
    """The variables of Lambda that the process uses; '' stands for a variable that is unset or empty.

    Attributes:
        function_name, function_version, memory_size (MB, as text): The function.
        region: `AWS_DEFAULT_REGION`, else `AWS_REGION`, else `us-east-1`.
        init_type: `on-demand`, `provisioned-concurrency`, `snap-start`, `lambda-managed-instances` ...
        execution_env: `AWS_Lambda_python3.12`; AWS does not set it for extensions.
        runtime_api: `host:port` of the Extensions, Telemetry and Runtime APIs.
        task_root: Folder of the function's code, where `datadog.yaml` may lie.
        exec_wrapper: Path of the wrapper script that starts the runtime.
        web_adapter_proxy: Address on which the Lambda Web Adapter expects a proxy of the Runtime API.
    """

    def __init__(
        self,
        function_name: str,
        function_version: str,
        memory_size: str,
        region: str,
        init_type: str,
        execution_env: str,
        runtime_api: str,
        task_root: str,
        exec_wrapper: str = "",
        web_adapter_proxy: str = "",
    ) -> None:
        self.function_name = function_name
        self.function_version = function_version
        self.memory_size = memory_size
        self.region = region
        self.init_type = init_type
        self.execution_env = execution_env
        self.runtime_api = runtime_api
        self.task_root = task_root
        self.exec_wrapper = exec_wrapper
        self.web_adapter_proxy = web_adapter_proxy

    @property
    def is_managed_instance(self) -> bool:
        """Several invocations at once, no INVOKE events; anything else is on demand."""
        return self.init_type == MANAGED_INSTANCES

    @property
    def is_snap_start(self) -> bool:
        """The process may be snapshotted after init and restored much later."""
        return self.init_type == SNAP_START

    @property
    def has_wrapper(self) -> bool:
        """Our wrapper script starts the runtime."""
        return self.exec_wrapper == WRAPPER_PATH


def read_lambda_environment(environ: dict[str, str]) -> LambdaEnvironment:
    """Read the variables out of a copy of the environment; nothing is required and nothing fails."""
    return LambdaEnvironment(
        function_name=environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        function_version=environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
        memory_size=environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""),
        region=environ.get("AWS_DEFAULT_REGION", "") or environ.get("AWS_REGION", "") or REGION_DEFAULT,
        init_type=environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", ""),
        execution_env=environ.get("AWS_EXECUTION_ENV", ""),
        runtime_api=environ.get("AWS_LAMBDA_RUNTIME_API", ""),
        task_root=environ.get("LAMBDA_TASK_ROOT", "") or TASK_ROOT_DEFAULT,
        exec_wrapper=environ.get("AWS_LAMBDA_EXEC_WRAPPER", ""),
        web_adapter_proxy=environ.get("AWS_LWA_LAMBDA_RUNTIME_API_PROXY", ""),
    )
