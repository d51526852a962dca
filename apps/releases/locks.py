"""Row locks of publishing: everybody who moves the pointer takes its row first, then the draft's."""

from apps.common.errors import Conflict
from apps.releases.models import OPEN, LiveRelease, Revision


def locked_pointer() -> LiveRelease:
    """The one row that names what is live, locked until the transaction ends."""
    return LiveRelease.objects.select_for_update().get(id=1)


def locked_draft(revision: Revision, version: int | None = None) -> Revision:
    """An open draft, locked until the transaction ends. Conflict when it is closed, or at another version."""
    draft = _locked(revision)
    if draft.status not in OPEN:
        raise Conflict(f"This draft was {draft.get_status_display().lower()} meanwhile.", code="draft_closed")
    if version is not None and draft.version != version:
        raise Conflict("Somebody saved this draft after you opened it.", code="draft_changed")
    return draft


def locked_discarded(revision: Revision) -> Revision:
    """A discarded draft, locked until the transaction ends. Conflict when it is none."""
    draft = _locked(revision)
    if draft.status != Revision.Status.DISCARDED:
        raise Conflict("This draft is not discarded any more.", code="not_discarded")
    return draft


def _locked(revision: Revision) -> Revision:
    rows = Revision.objects.select_for_update(of=("self",)).select_related("based_on")
    return rows.get(pk=revision.pk)
