"""Signatures against the vectors of the specification and against botocore."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from thimble.shell.api_key import KeyUnresolved
from thimble.shell.aws.aws_json import CONTENT_TYPE, AwsServices, signed_headers
from thimble.shell.aws.credentials import Credentials
from thimble.shell.aws.delegated import proof
from thimble.shell.aws.sigv4 import authorization, canonical_request, hmac_sha256, sha256_hex, time_stamp

VECTOR = Credentials("ASIATESTVECTOR000001", "v3ct0rSecretKey/ForTests+0123456789abcde", "FwoGtestSessionToken==")
STAMP = "20260102T030405Z"
ORG = "11111111-2222-3333-4444-555555555555"
DECRYPT = b'{"CiphertextBlob":"QUJDREVG"}'


def services_at(region: str, is_fips: bool = False) -> AwsServices:
    """Only for the names of its hosts: it neither waits nor sends."""
    return AwsServices(None, None, lambda: 0.0, region, VECTOR, is_fips)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function_region", "is_fips", "service", "region", "host", "operation", "body", "expected"),
    [
        (
            "us-east-2", False, "kms", "us-east-2", "kms.us-east-2.amazonaws.com", "TrentService.Decrypt", DECRYPT,
            "9662be3513fe71d3ab1905ecc4b7e5442fbf961043d48729c78e8608f03a6343",
        ),
        (
            "us-east-2", False, "kms", "us-east-2", "kms.us-east-2.amazonaws.com", "TrentService.Decrypt",
            b'{"CiphertextBlob":"QUJDREVG","EncryptionContext":{"LambdaFunctionName":"orders"}}',
            "c64d920497f630d647bf46d1fb660c68d356dae9edece9a5cd3768b5eba4cdc1",
        ),
        (
            "us-east-1", False, "secretsmanager", "eu-central-1", "secretsmanager.eu-central-1.amazonaws.com",
            "secretsmanager.GetSecretValue",
            b'{"SecretId":"arn:aws:secretsmanager:eu-central-1:123456789012:secret:dd-key-AbCdEf"}',
            "c976d242e1d7503bb9c1e527d40940ea17add3d0b0e5d3c54706296bc86098f7",
        ),
        (
            "us-east-1", False, "ssm", "ap-south-1", "ssm.ap-south-1.amazonaws.com", "AmazonSSM.GetParameter",
            b'{"Name":"arn:aws:ssm:ap-south-1:123456789012:parameter/dd/key","WithDecryption":true}',
            "f67abf180bcc7f0560fe811358e3bc6ec7c7b41d302b0b1534ec54f1a7f6b3c2",
        ),
        (
            "cn-north-1", False, "secretsmanager", "cn-north-1", "secretsmanager.cn-north-1.amazonaws.com.cn",
            "secretsmanager.GetSecretValue", b'{"SecretId":"dd-key"}',
            "cd369358d3ce00e71045f55356d242a884beb27427ace3c35689678fc40f8eb6",
        ),
        (
            "us-gov-west-1", True, "secretsmanager", "us-gov-west-1",
            "secretsmanager-fips.us-gov-west-1.amazonaws.com", "secretsmanager.GetSecretValue",
            b'{"SecretId":"dd-key"}', "2ddb8a83c379041bdbf6c86ad361d1c6868e6aadb30164425ae89f13135a3be0",
        ),
    ],
    ids=["kms", "kms with context", "secret elsewhere", "parameter elsewhere", "china", "fips"],
)  # fmt: skip
def test_vectors_of_the_services(
    function_region: str, is_fips: bool, service: str, region: str, host: str, operation: str, body: bytes,
    expected: str,
) -> None:  # fmt: skip
    assert services_at(function_region, is_fips).host(service, region) == host
    headers = signed_headers(VECTOR, host, STAMP, operation)
    value = authorization(VECTOR, STAMP, region, service, headers, body)
    assert value == (
        f"AWS4-HMAC-SHA256 Credential=ASIATESTVECTOR000001/20260102/{region}/{service}/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
        f"Signature={expected}"
    )


def test_the_intermediate_hashes_of_the_first_vector() -> None:
    assert sha256_hex(DECRYPT) == "a4190a7fa2aedee66f3168c7e1c9b022d5823e82fcc2a9e569131f36bbd6c04e"
    headers = signed_headers(VECTOR, "kms.us-east-2.amazonaws.com", STAMP, "TrentService.Decrypt")
    canonical = canonical_request(headers, DECRYPT)
    assert sha256_hex(canonical.encode()) == "28e11486e7b9771202c305e5fd98b6ebc70453bc90a55e92c0881ec0ab0f246a"


@pytest.mark.parametrize(
    ("token", "signed", "digest"),
    [
        (
            "FwoGtestSessionToken==", "6631e98ba9c07d468ff03bbcfd15041b6a3dc1487207c4708fe7c5dccbcaaf3b",
            "9f4118728fd436673659980108f72f067801db38fc0383ea1c9110d5ebe39584",
        ),
        (
            "", "6c17f65d2fa670f0c6f8c3e16f904374815d73f6deccd8dff0f185bdb532cc5b",
            "13033765825beac605766e32902df646ba6d99987f8f9b6df982189f98fdc8c9",
        ),
    ],
    ids=["with token", "without"],
)  # fmt: skip
def test_vectors_of_the_delegated_proof(token: str, signed: str, digest: str) -> None:
    text = proof(Credentials(VECTOR.access_key, VECTOR.secret_key, token), "us-east-2", ORG, STAMP)
    body, headers_text, method, url = text.split("|")
    assert body == "QWN0aW9uPUdldENhbGxlcklkZW50aXR5JlZlcnNpb249MjAxMS0wNi0xNQ=="
    assert (
        hashlib.sha256(base64.b64decode(body)).hexdigest()
        == "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843"
    )
    assert (method, url) == ("POST", "aHR0cHM6Ly9zdHMudXMtZWFzdC0yLmFtYXpvbmF3cy5jb20=")
    headers = json.loads(base64.b64decode(headers_text))
    assert list(headers) == sorted(headers)
    assert headers["Authorization"][0].endswith(f"Signature={signed}")
    assert ("X-Amz-Security-Token" in headers) == bool(token)
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_the_identity_service_of_china_has_its_own_domain() -> None:
    text = proof(VECTOR, "cn-north-1", ORG, STAMP)
    assert base64.b64decode(text.split("|")[3]) == b"https://sts.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize("region", ["", "evil.example/", "us-east-1#", "US-EAST-1", "eu west 1", "a@b", "\r\nx: y"])
def test_no_host_is_made_of_a_region_that_is_none(region: str) -> None:
    with pytest.raises(KeyUnresolved, match="not an AWS region"):
        services_at("us-east-1").host("kms", region)


def test_time_stamps_are_in_universal_time() -> None:
    assert time_stamp(1767323045.9) == STAMP


# Source: RFC 4231, test cases 1, 2 and 6.
@pytest.mark.parametrize(
    ("key", "data", "expected"),
    [
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
    ids=["short", "shorter", "longer than a block"],
)  # fmt: skip
def test_hmac_as_published(key: bytes, data: bytes, expected: str) -> None:
    assert hmac_sha256(key, data).hex() == expected


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100)
tokens = st.just("") | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=900)
regions = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-3", "us-gov-west-1", "cn-north-1"])


@given(
    secret=secrets, token=tokens, region=regions, body=st.binary(max_size=2000),
    service=st.sampled_from(["kms", "ssm", "secretsmanager"]), seconds=st.integers(0, 4_102_444_799),
    operation=st.from_regex(r"[A-Za-z]{1,20}\.[A-Za-z]{1,20}", fullmatch=True),
)  # fmt: skip
def test_botocore_signs_the_same(
    secret: str, token: str, region: str, body: bytes, service: str, seconds: int, operation: str
) -> None:
    stamp = time_stamp(seconds)
    host = f"{service}.{region}.amazonaws.com"
    credentials = Credentials("AKIDEXAMPLE", secret, token)
    ours = authorization(credentials, stamp, region, service, signed_headers(credentials, host, stamp, operation), body)
    request = AWSRequest(
        "POST", f"https://{host}/", data=body, headers={"Content-Type": CONTENT_TYPE, "X-Amz-Target": operation}
    )
    request.context["timestamp"] = stamp
    auth = SigV4Auth(BotoCredentials("AKIDEXAMPLE", secret, token or None), service, region)
    request.headers["X-Amz-Date"] = stamp
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = auth.canonical_request(request)
    theirs = auth.signature(auth.string_to_sign(request, canonical), request)
    assert canonical == canonical_request(signed_headers(credentials, host, stamp, operation), body)
    assert ours.rpartition("Signature=")[2] == theirs
    assert ours.startswith(f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders=")
