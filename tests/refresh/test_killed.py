"""A process that refreshes is killed in the middle: the old snapshot serves, the next refresh succeeds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from apps.common import clock
from apps.pipeline.snapshot import open_snapshot
from apps.refresh import jobs, services
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.refresh.selectors import active_snapshot_id, snapshot_folder
from apps.refresh.store import open_here
from tests.refresh.machines import machine, shared_store, snapshots_in
from tests.refresh.rows import make_market, make_member

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.usefixtures("market")]


@pytest.fixture
def env(snapshot_dir: Path) -> dict[str, str]:
    """For other processes on this test's database, folder and store."""
    url = settings.DATABASE_URL.rsplit("/", 1)[0] + "/" + str(connection.settings_dict["NAME"])
    return os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "raya_recs.settings.test",
        "TEST_VAR_DIR": str(snapshot_dir.parent),
        "SNAPSHOT_STORE": str(snapshot_dir.parent / "shared"),
    }


@pytest.fixture
def other_process(env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py refresh`."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "refresh", "--skip-checks"],
        cwd=settings.BASE_DIR,
        env=env,
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


@pytest.fixture
def shared(snapshot_dir: Path) -> Iterator[Path]:
    """The store that machines share."""
    with shared_store(snapshot_dir.parent / "shared"):
        yield snapshot_dir.parent / "shared"


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        ("numpy.save", 30),  # half of the files are written
        ("apps.refresh.store._save", 1),  # all are written, none is in the store
        ("apps.refresh.store._save", 40),
        ("pathlib.Path.rename", 1),  # all are in the store
        ("apps.refresh.services._make_active", 1),  # the folder has its name, its row is not committed
    ],
)
def test_killed_at_any_point_the_old_one_serves_and_nothing_is_left_of_the_new(
    shared: Path,
    before: SnapshotRow,
    env: dict[str, str],
    snapshot_dir: Path,
    tmp_path: Path,
    call: str,
    nth: int,
) -> None:
    command = [sys.executable, "-m", "tests.refresh.killing", call, str(nth)]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, timeout=120)
    assert done.returncode == -signal.SIGKILL

    assert active_snapshot_id() == before.id
    with machine(tmp_path / "there"):
        open_here(before.id)
    RefreshJob.objects.update(leased_until=clock.now() - timedelta(seconds=1))
    after = services.refresh()
    for folder in (snapshot_dir, shared):
        assert snapshots_in(folder) == sorted([before.id, after.id])
        open_snapshot(folder / after.id)


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
