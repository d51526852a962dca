"""The market that a benchmark works on: simulated when the database holds nobody."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

from django.core.management import call_command
from django.core.management.base import CommandError


def ensure_market_of(members: int, say: Callable[[str], object]) -> None:
    """A refreshed market of about this size. Raises CommandError when the database holds another."""
    from apps.members.models import Member

    found = Member.objects.count()
    if not found:
        say(f"Simulating {members:,} members")
        call_command("simulate", members=members, stdout=StringIO())
        call_command("refresh", stdout=StringIO())
    elif abs(found - members) > members * 0.1:
        raise CommandError(
            f"The database holds {found:,} members: give --members {found}, or an empty database."
        )
