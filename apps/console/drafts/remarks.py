"""Overlaps and contradictions that a save would bring, for whoever presses the button to read first."""

from __future__ import annotations

from django.http import HttpRequest

from apps.common.clock import now
from apps.policies.conflicts import Conflict, brought
from apps.releases.drafts import Change, changed_content
from apps.releases.models import Revision


def before_saving(request: HttpRequest, draft: Revision, version: int, change: Change) -> list[Conflict]:
    """What to read before this change is saved; nothing once it was read ("anyway"), or where somebody was
    faster and the save is refused for that. Raises PolicyInvalid."""
    if "anyway" in request.POST or version != draft.version:
        return []
    return brought(draft.content, changed_content(draft.content, change), now().timestamp())
