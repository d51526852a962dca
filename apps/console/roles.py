"""The two groups of staff: editors draft and look after data, approvers also publish and hold the keys.

Takes nothing, writes Django's groups after each migrate; what staff added to a group by hand stays.
"""

from __future__ import annotations

from typing import Any, Literal

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q

Role = Literal["editor", "approver"]
GROUPS: dict[Role, str] = {"editor": "Editor", "approver": "Approver"}
# app label -> models that staff may look at
SEEN = (
    "members",
    "places",
    "surfaces",
    "interactions",
    "releases",
    "refresh",
    "common",
    "django_celery_beat",
)
EDITOR = {
    "members.change_member",
    "places.change_place",
    "places.add_curatedlist",
    "places.change_curatedlist",
    "places.delete_curatedlist",
    "releases.add_revision",
    "releases.change_revision",
    "refresh.add_refreshjob",
}
APPROVER = {
    *EDITOR,
    "releases.publish_release",
    "refresh.change_snapshotrow",
    "surfaces.add_surface",
    "surfaces.change_surface",
    "surfaces.add_market",
    "surfaces.change_market",
    "api.view_servicekey",
    "api.add_servicekey",
    "api.change_servicekey",
    "django_celery_beat.change_periodictask",
    "django_celery_beat.add_intervalschedule",
    "django_celery_beat.add_crontabschedule",
    "auth.view_user",
    "auth.view_group",
}


def ensure_roles(**_: Any) -> None:
    """Makes both groups and gives each at least its permissions."""
    views = Q(codename__startswith="view_", content_type__app_label__in=SEEN)
    for role, named in (("editor", EDITOR), ("approver", APPROVER)):
        group, _made = Group.objects.get_or_create(name=GROUPS[role])  # type: ignore[index]
        wanted = views
        for name in named:
            app, codename = name.split(".")
            wanted |= Q(content_type__app_label=app, codename=codename)
        group.permissions.add(*Permission.objects.filter(wanted))


def ensure_staff(username: str, password: str, role: Role) -> User:
    """A staff login with this role; an existing one gets the password and the role anew."""
    user, _made = User.objects.get_or_create(username=username)
    user.is_staff = user.is_active = True
    user.set_password(password)
    user.save()
    user.groups.set([Group.objects.get(name=GROUPS[role])])
    return user
