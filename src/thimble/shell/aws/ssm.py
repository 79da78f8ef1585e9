"""AWS Systems Manager Parameter Store: the key as a parameter's value, decrypted by the service.

Source: AWS Systems Manager API Reference, "GetParameter".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble.shell.api_key import KeyUnresolved
from thimble.shell.aws.arn import region_of
from thimble.shell.aws.aws_json import refusal

if TYPE_CHECKING:
    from thimble.shell.aws.aws_json import AwsServices


async def parameter_key(services: AwsServices, parameter: str) -> str:
    """The key in a parameter.

    Args:
        parameter: ARN or name.

    Raises:
        KeyUnresolved: The service did not give it.
    """
    fields = {"Name": parameter, "WithDecryption": True}
    reply = await services.call("ssm", region_of(parameter, services.region), "AmazonSSM.GetParameter", fields)
    found = reply.fields.get("Parameter")
    value = found.get("Value") if isinstance(found, dict) else None
    if not isinstance(value, str):
        raise KeyUnresolved(refusal(reply, "ssm:GetParameter", parameter))
    return value
