"""What becomes of a secret's text, and what is said when there is none."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.shell.api_key import clean_key
from thimble.shell.aws.arn import region_of
from thimble.shell.aws.aws_json import Reply, refusal
from thimble.shell.aws.secrets_manager import extract_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", "abc"),
        ('{"apiKey":"x","dd_api_key":"y"}', "y"),
        ('{"apiKey":"x","apiKeyId":"i"}', "x"),
        ('{"other":"x"}', '{"other":"x"}'),
        ('{"dd_api_key":"y"', '{"dd_api_key":"y"'),
        ('{"dd_api_key":7,"apiKey":"x"}', "x"),
        ('{"dd_api_key":null}', '{"dd_api_key":null}'),
        ('["dd_api_key"]', '["dd_api_key"]'),
        ('"quoted"', '"quoted"'),
        ("12345", "12345"),
        ("", ""),
        (' {"dd_api_key": "y"} ', "y"),
    ],
)
def test_the_key_in_a_secrets_text(text: str, expected: str) -> None:
    assert extract_key(text) == expected


@given(st.text())
def test_any_text_gives_a_key_or_itself(text: str) -> None:
    found = extract_key(text)
    assert found == text or found in orjson.loads(text).values()


@pytest.mark.parametrize(
    ("text", "expected"), [(" ab cd\n\n", "abcd"), (" \n", ""), ("abc\r\n", "abc"), ("\ta\vb\f", "ab"), ("", "")]
)
def test_white_space_is_no_part_of_a_key(text: str, expected: str) -> None:
    assert clean_key(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:dd-key-AbCdEf", "eu-central-1"),
        ("arn:aws-us-gov:ssm:us-gov-east-1:1:parameter/dd/key", "us-gov-east-1"),
        ("dd-key", "us-east-1"),
        ("/dd/key", "us-east-1"),
        ("arn:aws:ssm::1:parameter/x", "us-east-1"),
        ("arn:aws:ssm", "us-east-1"),
        ("", "us-east-1"),
        ("a:b:c:d:e", "us-east-1"),
    ],
)
def test_the_region_of_a_secret(name: str, expected: str) -> None:
    assert region_of(name, "us-east-1") == expected


@pytest.mark.parametrize(
    ("fields", "permission", "resource", "expected"),
    [
        (
            {
                "__type": "AccessDeniedException",
                "Message": "User: arn:aws:sts::1:assumed-role/orders-role/orders is not authorized to perform: "
                "secretsmanager:GetSecretValue on resource: dd-key because no identity-based policy allows it",
            },
            "secretsmanager:GetSecretValue", "dd-key",
            "secretsmanager:GetSecretValue on dd-key: AccessDeniedException: User: "
            "arn:aws:sts::1:assumed-role/orders-role/orders is not authorized to perform: "
            "secretsmanager:GetSecretValue on resource: dd-key because no identity-based policy allows it. Allow "
            "secretsmanager:GetSecretValue on dd-key in the function's role orders-role.",
        ),
        (
            {"__type": "com.amazon#AccessDeniedException", "message": "Access to KMS is not allowed"},
            "secretsmanager:GetSecretValue", "dd-key",
            "secretsmanager:GetSecretValue on dd-key: AccessDeniedException: Access to KMS is not allowed. Allow "
            "kms:Decrypt on the KMS key that encrypts it in the function's execution role.",
        ),
        (
            {"__type": "ParameterNotFound"}, "ssm:GetParameter", "/dd/key",
            "ssm:GetParameter on /dd/key: ParameterNotFound. Check the name and the region.",
        ),
        (
            {"__type": "InvalidSignatureException", "message": "The request signature does not match"},
            "ssm:GetParameter", "/dd/key",
            "ssm:GetParameter on /dd/key: InvalidSignatureException: The request signature does not match",
        ),
        (
            {"SecretString": 7, "Other": "s3cr3t"}, "secretsmanager:GetSecretValue", "dd-key",
            "secretsmanager:GetSecretValue on dd-key: the answer (status 400) holds no text",
        ),
    ],
    ids=["role named", "key of the secret", "no such parameter", "other error", "no error and no text"],
)  # fmt: skip
def test_a_refusal_names_permission_resource_and_role(
    fields: dict[str, object], permission: str, resource: str, expected: str
) -> None:
    assert refusal(Reply(400, fields), permission, resource) == expected


@given(st.dictionaries(st.sampled_from(["__type", "message", "Message", "x"]), st.none() | st.text() | st.integers()))
def test_any_reply_can_be_refused(fields: dict[str, object]) -> None:
    assert refusal(Reply(400, fields), "kms:Decrypt", "the key").startswith("kms:Decrypt on the key: ")
