"""What `manage.py check --deploy` says of mail: approvals and roll-backs are told by it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Warning


def mail_reaches_somebody(**_: Any) -> list[Warning]:
    if not settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        return []
    said = "Mails to staff (approvals, roll-backs, what ends soon) are printed, and reach nobody."
    return [Warning(said, hint="Set EMAIL_URL and DEFAULT_FROM_EMAIL.", id="releases.W001")]
