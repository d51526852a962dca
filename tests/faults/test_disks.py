"""By option, as root: the disk is full under the snapshots, or under Postgres; each has one of its own."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raya_recs.embedded import EmbeddedServers
from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.rare,
]
LEFT = 16_384  # bytes of a full disk


def test_a_refresh_without_room_fails_and_the_old_snapshot_serves_on(capped_site: Site) -> None:
    site = copy.copy(capped_site)
    with small_disk("64m") as disk:
        shutil.copytree(site.snapshots, disk / "snapshots")
        site.env = site.env | {"SNAPSHOT_DIR": str(disk / "snapshots")}
        site.snapshots = disk / "snapshots"
        with site.another_web():
            wait_until(site.is_well, "a well site", 30)
            old = site.list("w0")["snapshot"]
            with Traffic(site, posters=1, askers=2) as traffic:
                with full(disk):
                    with pytest.raises(RuntimeError, match=r"No space left|space|refresh"):
                        site.manage("refresh")
                    traffic.wait_for_answers(50)
                    assert site.list("w0")["snapshot"] == old
                    assert active(site) == old
                site.manage("refresh")
                wait_until(lambda: site.list("w0")["snapshot"] not in (old, None), "the new snapshot", 30)
                traffic.wait_for_answers(20)
            assert [path.name for path in site.snapshots.iterdir() if path.name.startswith(".")] == []
            assert {answer.status for answer in traffic.answers} == {200}
            assert wrongs(traffic, cap=capped_site.cap) == []
    capped_site.manage("refresh")  # what is active lay on the disk that is gone
    wait_until(capped_site.is_well, "a well site", 30)


def test_without_room_for_postgres_no_event_is_acknowledged_and_none_that_was_is_lost(tmp_path: Path) -> None:
    with (
        small_disk("400m") as disk,
        EmbeddedServers(disk / "servers") as servers,
        Site(servers, tmp_path) as site,
    ):
        site.open(workers=1, each=20)
        site.serve(daily_cap=0, hold_minutes=0, cooldown_days=0)
        with Traffic(site, posters=2, askers=2) as traffic:
            traffic.wait_for_events(100)
            with full(disk):
                wait_until(lambda: traffic.put_off > 20, "refused batches", 120, pause=0.1)
                refused = traffic.put_off
                traffic.wait_for_answers(50)
            servers.restart_postgres(kill=True)
            wait_until(site.is_well, "recovery", 60)
            traffic.wait_for_events(100)
        print(f"{refused} batches were refused, {len(traffic.acknowledged)} events acknowledged in all")
        assert refused > 20, "Postgres had room: the test shows nothing"
        assert wrongs(traffic) == []


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    assert os.geteuid() == 0, "asked for with --rare, but a disk of its own needs root"
    folder = Path(tempfile.mkdtemp(prefix="raya_recs-disk-"))
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        folder.rmdir()
        pytest.fail(f"asked for with --rare, but no disk can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Hardly a byte is left on the disk while the block runs, whoever else frees some."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while shutil.disk_usage(disk).free > LEFT:
                file.write(b"\0" * min(shutil.disk_usage(disk).free - LEFT, 1 << 20))
        except OSError:
            pass
    try:
        assert shutil.disk_usage(disk).free <= 2 * LEFT, "the disk has room: the test shows nothing"
        yield
    finally:
        filler.unlink()


def active(site: Site) -> str:
    return str(site.query("SELECT id FROM refresh_snapshot WHERE status = 'active'")[0][0])
