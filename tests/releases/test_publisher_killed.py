"""A process that publishes is killed fifty times, wherever it is: readers see whole, allowed releases."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from apps.common.models import AuditEntry
from apps.policies.schema import validate_content
from apps.releases.models import Approval, LiveRelease, Release, Revision
from apps.releases.params import digest_of
from apps.releases.selectors import live
from tests.releases.people import an_approver, an_editor

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

KILLS, PUBLISHES = 50, 500
MOVES = ("release.published", "release.rolled_back", "rollout.turned_back")


class Publisher:
    """The process that starts publishers, and the one that publishes now."""

    def __init__(self) -> None:
        url = settings.DATABASE_URL.rsplit("/", 1)[0] + "/" + str(connection.settings_dict["NAME"])
        env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "raya_recs.settings.test"}
        command = [sys.executable, "-m", "tests.releases.publisher"]
        pipe = subprocess.PIPE
        self.parent = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=env, stdin=pipe, stdout=pipe, text=True, bufsize=1
        )
        self.pid = self.backend = 0

    def begin(self, seed: int) -> None:
        assert self.parent.stdin is not None
        print(seed, file=self.parent.stdin, flush=True)
        self.pid, self.backend = map(int, self._said())

    def kill(self) -> str:
        """Kills it where it is; what its connection was doing just then ("idle in transaction", ...)."""
        os.kill(self.pid, signal.SIGSTOP)
        with connection.cursor() as cursor:
            cursor.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [self.backend])
            (state,) = cursor.fetchone() or ("gone",)
        os.kill(self.pid, signal.SIGKILL)
        assert self._said() == ["ended", str(-signal.SIGKILL)]
        self.pid = 0
        return str(state)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.parent.kill()
        self.parent.wait()

    def _said(self) -> list[str]:
        assert self.parent.stdout is not None
        line = self.parent.stdout.readline()
        assert line, "the publisher ended by itself"
        return line.split()


class Reader(threading.Thread):
    """Reads what is live all along, as a web process does, and looks at every part of it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.reads = self.rollouts = 0
        self.seen: dict[int, str] = {}  # release -> digest
        self.wrong: list[str] = []

    def run(self) -> None:
        try:
            while not self.done.wait(0.003):
                self._read()
        except Exception as error:
            self.wrong.append(repr(error))
        finally:
            connection.close()

    def _read(self) -> None:
        row = live()
        self.reads += 1
        self._look_at(row.stable_number, row.stable_content, row.stable_digest)
        if row.candidate_number is not None:
            self.rollouts += 1
            self._look_at(row.candidate_number, row.candidate_content or {}, row.candidate_digest or "")
        if (row.candidate_number is None) != (row.percentage == 0):
            self.wrong.append(f"{row.candidate_number} at {row.percentage} %")

    def _look_at(self, number: int, content: dict, digest: str) -> None:
        dating, travel = content["surfaces"]["dating"], content["surfaces"]["travel"]
        whole = number == 1 or dating["daily_cap"] == travel["daily_cap"]
        if number not in self.seen:
            whole = whole and validate_content(content) == content
        if not whole or digest_of(content) != digest or self.seen.setdefault(number, digest) != digest:
            self.wrong.append(f"release {number} is torn")


@pytest.fixture
def publisher(transactional_db: None) -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def readers(transactional_db: None) -> Iterator[list[Reader]]:
    readers = [Reader(), Reader()]
    yield readers
    for reader in readers:
        reader.done.set()
        reader.join(30)


def published() -> int:
    return Release.objects.count() - 1


def publishes_reach(wanted: int) -> None:
    end = time.monotonic() + 60
    while published() < wanted:
        assert time.monotonic() < end, f"{published()} of {wanted} publishes"
        time.sleep(0.005)


def test_fifty_kills_in_five_hundred_publishes_leave_nothing_torn(
    publisher: Publisher, readers: list[Reader]
) -> None:
    for make, name in ((an_editor, "ed"), (an_approver, "ann"), (an_approver, "bea")):
        make(name)
    for reader in readers:
        reader.start()
    draw, states, each = random.Random(20), [], PUBLISHES // KILLS
    for kill in range(KILLS):
        publisher.begin(1000 * (kill + 1))
        publishes_reach(each * kill + each)
        time.sleep(draw.uniform(0, 0.1))
        states.append(publisher.kill())
    publisher.begin(1000 * (KILLS + 1))
    publishes_reach(published() + each)  # and the next one publishes as if nothing had been
    states.append(publisher.kill())
    for reader in readers:
        reader.done.set()
        reader.join(30)
    print(f"{published()} publishes, {len(states)} kills, {sum(reader.reads for reader in readers)} reads;",
          {state: states.count(state) for state in set(states)})  # fmt: skip

    assert [wrong for reader in readers for wrong in reader.wrong] == []
    assert min(reader.reads for reader in readers) > 1000
    assert sum(reader.rollouts for reader in readers) > 50
    assert published() >= PUBLISHES
    assert sum("transaction" in state or state == "active" for state in states) >= 10
    everything_stands_together()


def everything_stands_together() -> None:
    releases = list(Release.objects.order_by("number").values("number", "content", "digest"))
    assert [release["number"] for release in releases] == list(range(1, len(releases) + 1))
    assert all(digest_of(release["content"]) == release["digest"] for release in releases)
    drafts = Revision.objects.filter(status="published").values_list("release_id", "pk", "content")
    by_release = {number: (pk, content) for number, pk, content in drafts}
    assert sorted(by_release) == [release["number"] for release in releases[1:]]
    assert not Revision.objects.exclude(status="published").exclude(release=None).exists()
    approvers = {"ann", "bea"}
    given = Approval.objects.values_list("revision_id", "digest", "approver__username")
    agreed = {(revision, digest) for revision, digest, who in given if who in approvers}
    for release in releases[1:]:
        pk, content = by_release[release["number"]]
        assert content == release["content"]
        assert (pk, release["digest"]) in agreed
    every_move_has_one_entry()


def every_move_has_one_entry() -> None:
    """Each entry of a move begins where the one before it ended, and the last one ends at the pointer."""
    moves = AuditEntry.objects.filter(action__in=MOVES).order_by("id").values("action", "before", "after")
    _first, *later = moves  # the first release had none before it
    assert [move["before"]["live"] for move in later] == [1, *(move["after"]["live"] for move in later[:-1])]
    assert later[-1]["after"]["live"] == LiveRelease.objects.get().stable_id
    published_at_once = [m["after"]["live"] for m in later if m["action"] == "release.published"]
    begun = AuditEntry.objects.filter(action="rollout.started").values_list("subject", flat=True)
    in_stages = [int(subject.removeprefix("release ")) for subject in begun]
    assert len(set(published_at_once)) == len(published_at_once)
    assert len(set(in_stages)) == len(in_stages)
    numbers = Release.objects.exclude(number=1).values_list("number", flat=True)
    assert {*published_at_once, *in_stages} == set(numbers)
