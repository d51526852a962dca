"""What a save does to a draft that is on its way to members, before it and after: sentences for its pages."""

from __future__ import annotations

from apps.common.local_time import written
from apps.releases.models import Revision

Status = Revision.Status
COLOURS = {
    Status.DRAFT: "warn",
    Status.REVIEW: "info",
    Status.APPROVED: "good",
    Status.SCHEDULED: "info",
}


def by_saving(draft: Revision) -> str:
    """What saving takes back; nothing of what is a draft already."""
    if draft.status == Status.SCHEDULED and draft.publish_at:
        return (
            f"It is scheduled for {written(draft.publish_at)}. Saving takes it off the schedule, and it must "
            "be approved anew; whoever edits or approves is told."
        )
    if draft.status == Status.APPROVED:
        return "It is approved. Saving makes the approval worth nothing; whoever edits or approves is told."
    if draft.status == Status.REVIEW:
        return "Others look at it now. Saving takes it out of review: ask for approval again afterwards."
    return ""


def saved(before: Revision) -> str:
    """What to say after a save of a draft that stood like this."""
    said = "Members see no difference until it is published."
    if before.status == Status.SCHEDULED:
        return f"{said} It is off the schedule and a draft again; whoever edits or approves is told."
    if before.status == Status.APPROVED:
        return f"{said} Its approval counts no more; whoever edits or approves is told."
    if before.status == Status.REVIEW:
        return f"{said} It is out of review: ask for approval again."
    return said
