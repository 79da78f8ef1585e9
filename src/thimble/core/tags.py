"""The static tags that logs, metrics and spans share, and the function's ARN they are made from.

Computed once, after register. The order is that of insertion, so that the text is the same in every run; a later
entry replaces the value of an earlier one of the same name and keeps its place.

Source: specification of logs and shared tags, static tags and `DD_TAGS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from thimble.config.aws import LambdaEnvironment
    from thimble.config.model import Settings

UNKNOWN_ACCOUNT: Final = "none"
"""Stands for the account id where the register answer names none."""

LATEST: Final = "$LATEST"

_RUNTIME_PREFIX: Final = "AWS_Lambda_"
_RUNTIME_FAMILIES: Final = (
    ("nodejs", "nodejs"),
    ("python", "python"),
    ("java", "jvm"),
    ("dotnet", "dotnet"),
    ("ruby", "ruby"),
)


def function_arn(region: str, account_id: str, name: str) -> str:
    """The unqualified ARN of the function, in original case.

    Args:
        region: AWS region; it decides the partition.
        account_id: From the register answer; '' becomes `none`.
        name: Function name.
    """
    partition = "aws"
    if region.startswith("us-gov-"):
        partition = "aws-us-gov"
    elif region.startswith("cn-"):
        partition = "aws-cn"
    return f"arn:{partition}:lambda:{region}:{account_id or UNKNOWN_ACCOUNT}:function:{name}"


def static_tags(
    settings: Settings, aws: LambdaEnvironment, account_id: str, architecture: str, version: str
) -> dict[str, str]:
    """The tags of the sandbox: names to values, in insertion order.

    Args:
        settings: For `env`, `service`, `version`, `tags`, and whether AppSec is on.
        aws: What Lambda says about the function.
        account_id: From the register answer; '' becomes `none`.
        architecture: `x86_64`, `arm64` or the kernel's word for it (`aarch64`).
        version: Our own version.
    """
    account = account_id or UNKNOWN_ACCOUNT
    is_published = aws.function_version not in ("", LATEST)
    tags: dict[str, str] = {
        "region": aws.region,
        "account_id": account,
        "aws_account": account,
        "functionname": aws.function_name,
        "resource": f"{aws.function_name}:{aws.function_version}" if is_published else aws.function_name,
    }
    if is_published:
        tags["executedversion"] = aws.function_version
    tags["function_arn"] = function_arn(aws.region, account, aws.function_name).lower()
    if settings.version:
        tags["version"] = settings.version
    if settings.env:
        tags["env"] = settings.env
    if settings.service:
        tags["service"] = settings.service.lower()
    if aws.init_type:
        tags["init_type"] = aws.init_type
    if aws.memory_size:
        tags["memorysize"] = aws.memory_size
    if aws.execution_env:
        family = runtime_family(aws.execution_env) if settings.serverless_appsec_enabled else ""
        if family:
            tags["_dd.runtime_family"] = family
        tags["runtime"] = aws.execution_env
    tags["architecture"] = "arm64" if architecture == "aarch64" else architecture
    tags["dd_extension_version"] = version
    tags.update(settings.tags)
    return tags


def tag_text(tags: dict[str, str]) -> str:
    """`key:value` joined by commas, in the order of the mapping; nothing is escaped."""
    return ",".join([f"{key}:{value}" for key, value in tags.items()])


def runtime_family(execution_env: str) -> str:
    """`nodejs`, `python`, `jvm`, `dotnet` or `ruby` for a value of `AWS_EXECUTION_ENV`; '' for any other."""
    runtime = execution_env.removeprefix(_RUNTIME_PREFIX)
    for prefix, family in _RUNTIME_FAMILIES:
        if runtime.startswith(prefix):
            return family
    return ""
