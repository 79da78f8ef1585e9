"""AWS Secrets Manager: the key as the secret's text, or as a member of the JSON object in it.

Source: AWS Secrets Manager API Reference, "GetSecretValue".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.shell.api_key import KeyUnresolved
from thimble.shell.aws.arn import region_of
from thimble.shell.aws.aws_json import refusal

if TYPE_CHECKING:
    from thimble.shell.aws.aws_json import AwsServices

MEMBERS: Final = ("dd_api_key", "apiKey")
"""Names of the key in a JSON secret, first wins; the second is what managed secrets of Datadog are called."""


async def secret_key(services: AwsServices, secret: str) -> str:
    """The key in a secret.

    Args:
        secret: ARN or name.

    Raises:
        KeyUnresolved: The service did not give it.
    """
    region = region_of(secret, services.region)
    reply = await services.call("secretsmanager", region, "secretsmanager.GetSecretValue", {"SecretId": secret})
    text = reply.fields.get("SecretString")
    if not isinstance(text, str):
        if "SecretBinary" in reply.fields:
            raise KeyUnresolved(f"the secret {secret} is binary; store the API key as text")
        raise KeyUnresolved(refusal(reply, "secretsmanager:GetSecretValue", secret))
    return extract_key(text)


def extract_key(text: str) -> str:
    """The key in a secret's text: a string member of `MEMBERS` in a JSON object, else the text as it is."""
    import orjson

    try:
        found = orjson.loads(text)
    except ValueError:
        return text
    if isinstance(found, dict):
        for name in MEMBERS:
            if isinstance(found.get(name), str):
                return str(found[name])
    return text
