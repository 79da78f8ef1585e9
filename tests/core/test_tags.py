"""The static tags of the specification's example, and what changes them."""

from __future__ import annotations

import pytest

from thimble.config.aws import LambdaEnvironment, read_lambda_environment
from thimble.config.environment import load_settings
from thimble.core.tags import function_arn, runtime_family, static_tags, tag_text

ENVIRON = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "Orders-API",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "DD_ENV": "Prod",
    "DD_SERVICE": "Orders",
    "DD_VERSION": "2.4",
    "DD_TAGS": "team:core,env:Blue bad url:http://x",
}


def tags_of(environ: dict[str, str], account_id: str = "210987654321", architecture: str = "arm64") -> dict[str, str]:
    settings, _ = load_settings(environ)
    return static_tags(settings, read_lambda_environment(environ), account_id, architecture, "1.2.3")


def test_the_example_gives_sixteen_tags_in_the_order_of_insertion() -> None:
    tags = tags_of(ENVIRON)
    assert list(tags.items()) == [
        ("region", "eu-west-1"),
        ("account_id", "210987654321"),
        ("aws_account", "210987654321"),
        ("functionname", "Orders-API"),
        ("resource", "Orders-API:7"),
        ("executedversion", "7"),
        ("function_arn", "arn:aws:lambda:eu-west-1:210987654321:function:orders-api"),
        ("version", "2.4"),
        ("env", "Blue"),
        ("service", "orders"),
        ("init_type", "on-demand"),
        ("memorysize", "512"),
        ("architecture", "arm64"),
        ("dd_extension_version", "1.2.3"),
        ("team", "core"),
        ("url", "http://x"),
    ]
    assert tag_text(tags).startswith("region:eu-west-1,account_id:210987654321,")
    assert tag_text(tags).endswith(",team:core,url:http://x")


def test_the_unpublished_version_is_not_a_tag() -> None:
    tags = tags_of(ENVIRON | {"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST"})
    assert tags["resource"] == "Orders-API"
    assert "executedversion" not in tags


@pytest.mark.parametrize(
    ("region", "prefix"),
    [
        ("us-gov-west-1", "arn:aws-us-gov:lambda:us-gov-west-1:"),
        ("cn-north-1", "arn:aws-cn:lambda:cn-north-1:"),
        ("eu-west-1", "arn:aws:lambda:eu-west-1:"),
        ("us-iso-east-1", "arn:aws:lambda:us-iso-east-1:"),
    ],
)
def test_the_region_decides_the_partition(region: str, prefix: str) -> None:
    assert tags_of(ENVIRON | {"AWS_DEFAULT_REGION": region})["function_arn"].startswith(prefix)


def test_the_arn_keeps_its_case_until_it_becomes_a_tag() -> None:
    assert function_arn("cn-north-1", "123456789012", "F") == "arn:aws-cn:lambda:cn-north-1:123456789012:function:F"


def test_a_register_answer_without_account_gives_none() -> None:
    tags = tags_of(ENVIRON, account_id="")
    assert tags["account_id"] == tags["aws_account"] == "none"
    assert tags["function_arn"] == "arn:aws:lambda:eu-west-1:none:function:orders-api"


def test_without_any_setting_ten_tags_remain() -> None:
    environ = {name: value for name, value in ENVIRON.items() if not name.startswith("DD_")}
    environ["AWS_LAMBDA_FUNCTION_VERSION"] = "$LATEST"
    assert len(tags_of(environ, architecture="x86_64")) == 10


def test_unset_variables_leave_their_tags_out() -> None:
    tags = tags_of({}, account_id="")
    assert tags == {
        "region": "us-east-1",
        "account_id": "none",
        "aws_account": "none",
        "functionname": "",
        "resource": "",
        "function_arn": "arn:aws:lambda:us-east-1:none:function:",
        "architecture": "arm64",
        "dd_extension_version": "1.2.3",
    }


def test_the_kernels_word_for_arm_is_translated() -> None:
    assert tags_of({}, architecture="aarch64")["architecture"] == "arm64"
    assert tags_of({}, architecture="x86_64")["architecture"] == "x86_64"


def test_user_tags_override_computed_ones_and_keep_their_place() -> None:
    tags = tags_of(ENVIRON | {"DD_TAGS": "service:Mixed,function_arn:mine,functionname:other"})
    assert (tags["service"], tags["function_arn"], tags["functionname"]) == ("Mixed", "mine", "other")
    assert list(tags)[3] == "functionname"


def test_the_runtime_family_comes_only_with_appsec() -> None:
    environ = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}
    assert "_dd.runtime_family" not in tags_of(environ)
    tags = tags_of(environ | {"DD_SERVERLESS_APPSEC_ENABLED": "true"})
    assert tags["_dd.runtime_family"] == "python"
    assert list(tags).index("_dd.runtime_family") + 1 == list(tags).index("runtime")
    assert tags["runtime"] == "AWS_Lambda_python3.12"


@pytest.mark.parametrize(
    ("execution_env", "family"),
    [
        ("AWS_Lambda_nodejs22.x", "nodejs"), ("AWS_Lambda_python3.12", "python"), ("AWS_Lambda_java21", "jvm"),
        ("AWS_Lambda_dotnet8", "dotnet"), ("AWS_Lambda_ruby3.3", "ruby"), ("python3.12", "python"),
        ("AWS_Lambda_Image", ""), ("", ""),
    ],
)  # fmt: skip
def test_the_family_is_told_by_the_runtime_behind_the_prefix(execution_env: str, family: str) -> None:
    assert runtime_family(execution_env) == family


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "sa-east-1"}, "sa-east-1"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": ""}, "eu-west-3"),
    ],
)
def test_the_region_has_two_variables_and_a_default(environ: dict[str, str], region: str) -> None:
    assert read_lambda_environment(environ).region == region


def test_the_mode_is_told_by_the_exact_initialization_type() -> None:
    def of(init_type: str) -> LambdaEnvironment:
        return read_lambda_environment({"AWS_LAMBDA_INITIALIZATION_TYPE": init_type})

    assert of("lambda-managed-instances").is_managed_instance
    assert not of("Lambda-Managed-Instances").is_managed_instance
    assert of("snap-start").is_snap_start
    assert not of("on-demand").is_snap_start
    assert read_lambda_environment({}).task_root == "/var/task"
    assert read_lambda_environment({"LAMBDA_TASK_ROOT": "/x"}).task_root == "/x"
    assert read_lambda_environment({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/datadog_wrapper"}).has_wrapper
    assert not read_lambda_environment({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/other"}).has_wrapper
