"""A process that refreshes is killed in the middle: the old snapshot serves, the next refresh succeeds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from apps.pipeline.snapshot import open_snapshot
from apps.refresh import jobs, services
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.refresh.selectors import active_snapshot_id, snapshot_folder
from tests.refresh.rows import make_market, make_member

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.usefixtures("market")]


@pytest.fixture
def other_process(snapshot_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py refresh` on this test's database and folder."""
    url = settings.DATABASE_URL.rsplit("/", 1)[0] + "/" + str(connection.settings_dict["NAME"])
    process = subprocess.Popen(
        [sys.executable, "manage.py", "refresh", "--skip-checks"],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "raya_recs.settings.test",
            "TEST_VAR_DIR": str(snapshot_dir.parent),
        },
        stdout=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def kill_at(process: subprocess.Popen[bytes], step: str) -> None:
    deadline = time.monotonic() + 120
    while not RefreshJob.objects.filter(status="running", step__startswith=step).exists():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture
def before(market: None) -> SnapshotRow:
    london = make_market()
    for i in range(4):
        make_member(f"m{i}", london)
    return services.refresh()


@pytest.mark.parametrize("step", ["learning", "writing"])
def test_killed_in_the_middle_the_old_one_serves_and_the_next_succeeds(
    before: SnapshotRow,
    other_process: subprocess.Popen[bytes],
    step: str,
    snapshot_dir: Path,
) -> None:
    kill_at(other_process, step)

    assert active_snapshot_id() == before.id
    open_snapshot(snapshot_folder(before.id))
    with pytest.raises(jobs.RefreshBusy):  # for all this process knows, the other one still runs
        services.refresh()

    call_command("refresh", wait=60.0)  # waits until the lease of the killed one lapses

    active = active_snapshot_id()
    assert active is not None
    assert active != before.id
    open_snapshot(snapshot_folder(active))
    assert sorted(folder.name for folder in snapshot_dir.iterdir()) == sorted([before.id, active])
    assert sorted(RefreshJob.objects.values_list("status", flat=True)) == ["done", "done", "failed"]
