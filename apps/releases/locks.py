"""Row locks of publishing: everybody who moves the pointer takes the same one first."""

from apps.releases.models import LiveRelease


def locked_pointer() -> LiveRelease:
    """The one row that names what is live, locked until the transaction ends."""
    return LiveRelease.objects.select_for_update().get(id=1)
