"""The five groups of staff, what each may do, and why.

Takes nothing, writes Django's groups after each migrate. A group's permissions of our own apps become exactly
these, so that a right taken away here is gone there; what staff added by hand of other apps stays.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q

Role = Literal["viewer", "editor", "approver", "safety", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)
GROUPS: dict[Role, str] = {
    "viewer": "Viewer",
    "editor": "Editor",
    "approver": "Approver",
    "safety": "Trust and safety",
    "administrator": "Administrator",
}
# app label -> models that every role may look at
SEEN = (
    "members",
    "places",
    "surfaces",
    "interactions",
    "releases",
    "refresh",
    "delivery",
    "common",
    "django_celery_beat",
)
EDITOR = {
    "places.change_place",
    "places.add_curatedlist",
    "places.change_curatedlist",
    "places.delete_curatedlist",
    "releases.add_revision",
    "releases.change_revision",
    "refresh.add_refreshjob",
}
RIGHTS: dict[Role, set[str]] = {
    "viewer": set(),
    "editor": EDITOR,
    "approver": {*EDITOR, "releases.publish_release", "refresh.change_snapshotrow"},
    "safety": {
        "members.change_member",
        "members.stop_member",
        "members.erase_member",
        "places.change_place",
        "places.stop_place",
        "interactions.see_private",
    },
    # Looks after people and machines, and publishes nothing.
    "administrator": {
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "auth.view_group",
        "surfaces.add_surface",
        "surfaces.change_surface",
        "surfaces.add_market",
        "surfaces.change_market",
        "api.view_servicekey",
        "api.add_servicekey",
        "api.change_servicekey",
        "refresh.add_refreshjob",
        "refresh.change_snapshotrow",
        "django_celery_beat.change_periodictask",
        "django_celery_beat.add_intervalschedule",
        "django_celery_beat.add_crontabschedule",
    },
}
OURS = (*SEEN, "api", "auth")


def ensure_roles(**_: Any) -> None:
    """Makes the groups and gives each its permissions."""
    views = Q(codename__startswith="view_", content_type__app_label__in=SEEN)
    for role in ROLES:
        group, _made = Group.objects.get_or_create(name=GROUPS[role])
        wanted = views
        for name in RIGHTS[role]:
            app, codename = name.split(".")
            wanted |= Q(content_type__app_label=app, codename=codename)
        permissions = set(Permission.objects.filter(wanted))
        ours = set(group.permissions.filter(content_type__app_label__in=OURS))
        group.permissions.remove(*ours - permissions)
        group.permissions.add(*permissions - ours)


def ensure_staff(username: str, password: str, role: Role, *, email: str = "") -> User:
    """A staff login with this role; an existing one gets the password and the role anew."""
    user, _made = User.objects.get_or_create(username=username)
    user.is_staff = user.is_active = True
    user.email = email or user.email
    user.set_password(password)
    user.save()
    user.groups.set([Group.objects.get(name=GROUPS[role])])
    return user
