"""A function whose hook after a SnapStart restore fails."""

from snapshot_restore_py import register_after_restore


@register_after_restore
def connect():
    raise ConnectionError("no network after restore")


def handler(event, context):
    return "never"
