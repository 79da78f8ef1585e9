"""The region inside the ARN of a secret or parameter.

Source: AWS General Reference, "Amazon Resource Names (ARNs)".
"""

# Not compiled: loaded only by functions whose API key is a secret.

from __future__ import annotations


def region_of(name: str, default: str) -> str:
    """The region that an ARN names; `default` for a plain name, or an ARN without one."""
    parts = name.split(":")
    return (parts[3] if parts[0] == "arn" and len(parts) > 3 else "") or default
