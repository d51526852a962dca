"""Publishes without end, to be killed: `python -m tests.releases.publisher`, on the database of DATABASE_URL.

Starts Django once and then, per line that it reads, a child process that publishes (a fork, so that fifty do
not take minutes). Says "pid database-pid" of the child as it begins, and how it ended.
"""

from __future__ import annotations

import itertools
import os
import sys

import django


def main() -> None:
    django.setup()
    from django.db import connection

    for line in sys.stdin:
        connection.close()
        pid = os.fork()
        if pid == 0:
            publish_until_killed(int(line))
        _, status = os.waitpid(pid, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def publish_until_killed(seed: int) -> None:
    from django.contrib.auth.models import User
    from django.db import connection

    from apps.releases import services
    from apps.releases.selectors import rollout

    connection.ensure_connection()
    print(os.getpid(), connection.connection.info.backend_pid, flush=True)
    people = {user.username: user for user in User.objects.all()}
    for turn in itertools.count():
        if rollout() is not None:  # of one that was killed in the middle of it
            services.turn_back(actor=None, reason="Left behind")
        publish_once(seed + turn, people)


def publish_once(number: int, people: dict) -> None:
    """A draft, its reach, two people's yes, and live: at once, in stages, or with a roll-back after it."""
    from apps.releases import services
    from apps.releases.models import Release
    from apps.releases.selectors import live_release
    from tests.releases.people import measured

    before = live_release()
    says = {"dating.daily_cap": number, "dating.hourly_cap": number % 10_000, "travel.daily_cap": number}
    draft = services.start_revision(actor=people["ed"])
    draft = measured(services.edit_revision(draft, draft.version, says, actor=people["ed"]))
    services.approve(draft, draft.version, actor=people["bea"])
    way = number % 8
    services.publish_revision(draft, actor=people["ann"], note=f"Turn {number}", staged=way == 0)
    if way == 0:
        for _ in range(4):
            services.step_up(actor=None)
    elif way == 4:
        services.roll_back(Release.objects.get(pk=before.pk), actor=people["ann"], note="Back")


if __name__ == "__main__":
    main()
