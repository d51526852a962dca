"""Who may do what: Django's groups, but whoever's rights wait for a second person may only look."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Exists, Q

from apps.releases.models import StaffChange


class StaffBackend(ModelBackend):
    """One statement, as Django's own."""

    def _get_group_permissions(self, user_obj: Any) -> Any:
        waits = Exists(StaffChange.objects.filter(user_id=user_obj.pk, confirmed_at=None))
        theirs = super()._get_group_permissions(user_obj)  # type: ignore[misc]
        return theirs.filter(Q(codename__startswith="view_") | ~waits)
