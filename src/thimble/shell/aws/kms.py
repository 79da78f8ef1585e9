"""AWS KMS: the key as cipher text in an environment variable.

The console encrypts variables with the function's name as encryption context, the command line without one. Which way
it was done cannot be seen, so both are tried: first without.

Source: AWS KMS API Reference, "Decrypt"; AWS Lambda Developer Guide, "Securing environment variables".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

from binascii import Error as NotBase64
from binascii import a2b_base64
from typing import TYPE_CHECKING

from thimble.shell.api_key import KeyUnresolved
from thimble.shell.aws.aws_json import refusal

if TYPE_CHECKING:
    from typing import Any

    from thimble.shell.aws.aws_json import AwsServices


async def decrypted_key(services: AwsServices, cipher_text: str, function_name: str) -> str:
    """The key in `cipher_text` (base64, as configured).

    Raises:
        KeyUnresolved: The service did not decrypt it, with or without the context.
    """
    fields: dict[str, Any] = {"CiphertextBlob": cipher_text}
    reply = await services.call("kms", services.region, "TrentService.Decrypt", fields)
    if "Plaintext" not in reply.fields:
        fields["EncryptionContext"] = {"LambdaFunctionName": function_name}
        reply = await services.call("kms", services.region, "TrentService.Decrypt", fields)
    plain = reply.fields.get("Plaintext")
    if not isinstance(plain, str):
        raise KeyUnresolved(refusal(reply, "kms:Decrypt", "the key of DD_KMS_API_KEY"))
    try:
        return a2b_base64(plain).decode("utf-8")
    except (NotBase64, ValueError):
        raise KeyUnresolved("the value of DD_KMS_API_KEY is decrypted to something that is no text") from None
