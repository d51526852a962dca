"""Staff by what they may do, and drafts that are ready for them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User

from apps.releases import services
from apps.releases.models import Revision
from apps.releases.params import digest_of
from apps.releases.selectors import live_release


def person(name: str, *permissions: str) -> User:
    """Staff with these permissions of this app; made once."""
    user, _made = User.objects.get_or_create(
        username=name, defaults={"is_staff": True, "email": f"{name}@example.org"}
    )
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)  # without the permissions that were cached


def an_editor(name: str = "ed") -> User:
    return person(name, "change_revision")


def an_approver(name: str = "ann") -> User:
    return person(name, "change_revision", "publish_release")


def measured(draft: Revision, viewers: int = 50, of: int = 100) -> Revision:
    """The draft with a reach, as the console measures it."""
    services.record_reach(
        draft, digest=digest_of(draft.content), based_on=live_release().number, viewers=viewers, of=of,
        by_surface={"dating": [viewers, of]},
    )  # fmt: skip
    return draft


def a_draft(by: User | None, **values: Any) -> Revision:
    """Measured, and changed on dating."""
    draft = services.start_revision(actor=by)
    changes = {f"dating.{key}": value for key, value in (values or {"diversity": 0.6}).items()}
    return measured(services.edit_revision(draft, draft.version, changes, actor=by))
