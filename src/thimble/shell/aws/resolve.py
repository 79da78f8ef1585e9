"""Which secret source is asked, in the order of the specification; the first that is set is the only one.

Source: specification, "API key, which source".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from thimble.config.urls import proxied_url
from thimble.shell.aws.aws_json import AwsServices
from thimble.shell.aws.credentials import read_credentials
from thimble.shell.aws.sigv4 import time_stamp

if TYPE_CHECKING:
    from thimble.config.aws import LambdaEnvironment
    from thimble.config.model import Settings
    from thimble.http.client import Client
    from thimble.reactor.loop import Loop


async def resolve_key(
    settings: Settings,
    aws: LambdaEnvironment,
    environ: dict[str, str],
    loop: Loop,
    aws_client: Client,
    datadog_client: Client,
    local_client: Client,
) -> str:
    """Ask the secret source for the key once, as it is stored. The clients are closed afterwards.

    Args:
        environ: Read for credentials.
        aws_client: With the default trust roots, through the conventional proxy.
        datadog_client: With the proxy and TLS settings of the intakes.
        local_client: Without any proxy.

    Raises:
        KeyUnresolved: It gave none.
    """
    try:
        credentials = await read_credentials(environ, loop, local_client)
        if settings.org_uuid:
            # Imported one at a time: 0.3 ms each, and one is used.
            from thimble.shell.aws.delegated import delegated_key, proof

            text = proof(credentials, aws.region, settings.org_uuid, time_stamp(time()))
            url = proxied_url(settings, "delegated_key")
            return await delegated_key(loop, datadog_client, url, credentials, text, settings.flush_timeout_s * 1000)
        services = AwsServices(loop, aws_client, time, aws.region, credentials)
        if settings.kms_api_key:
            from thimble.shell.aws.kms import decrypted_key

            return await decrypted_key(services, settings.kms_api_key, aws.function_name)
        if settings.api_key_secret_arn:
            from thimble.shell.aws.secrets_manager import secret_key

            return await secret_key(services, settings.api_key_secret_arn)
        from thimble.shell.aws.ssm import parameter_key

        return await parameter_key(services, settings.api_key_ssm_arn)
    finally:
        for client in (aws_client, datadog_client, local_client):
            client.close()
