"""What web processes granted survives the loss of Valkey, in files that end when Postgres has it all."""

import fcntl
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from apps.common import clock, online
from apps.common.valkey import background_client
from apps.delivery.ledger import reserve
from apps.interactions import grants, rebuild
from apps.interactions.copier import copy_all
from apps.interactions.grants import SEGMENT_SECONDS, GrantFile, grant_file, settle_grants
from apps.interactions.ledger_check import ledger_differences
from apps.interactions.models import Delivery
from apps.surfaces.services import ensure_first_surfaces
from tests.interactions.grants import append, believe, counted, grant, order


@pytest.fixture(autouse=True)
def believed(transactional_db: None) -> Iterator[None]:
    ensure_first_surfaces()
    believe()
    yield
    grant_file().close()


def files() -> list[Path]:
    return sorted(Path(settings.GRANTS_DIR).glob("*.grants"))


def test_a_flush_before_the_copy_forgets_no_exposure() -> None:
    now = clock.now()
    for viewer in range(1, 4):
        grant(order(viewer, [11, 12], now, cap=3))
    background_client().flushdb()
    assert rebuild.rebuild()
    assert (counted(11), counted(12)) == (3, 3)
    assert grant(order(9, [11, 12], now, cap=3)) == []
    assert Delivery.objects.count() == 3
    assert ledger_differences() == []


def test_a_file_that_is_written_stays_and_one_whose_writer_is_done_goes() -> None:
    grant(order(1, [11], clock.now()))
    assert settle_grants() == 0
    assert len(files()) == 1
    assert settle_grants(everything=True) == 1
    assert len(files()) == 1
    grant_file().close()
    assert settle_grants() == 0
    assert files() == []
    assert Delivery.objects.count() == 1


def test_what_the_copier_brought_is_not_stored_again() -> None:
    grant(order(1, [11], clock.now()))
    copy_all()
    grant_file().close()
    assert settle_grants() == 0
    assert Delivery.objects.count() == 1


def test_a_torn_tail_costs_only_the_torn_record() -> None:
    for viewer in (1, 2, 3):
        grant(order(viewer, [11], clock.now()))
    grant_file().close()
    [path] = files()
    os.truncate(path, path.stat().st_size - 5)
    background_client().delete(online.STREAM)
    assert settle_grants() == 2
    assert sorted(Delivery.objects.values_list("viewer", flat=True)) == [1, 2]
    assert files() == []


def test_a_grant_that_is_written_in_part_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for a moment takes a part of what is written, and says so by a number alone."""
    now, write = clock.now(), os.write
    parts = iter([1.0, 0.5, 1.0, 1.0, 1.0])

    def some(file: int, data: bytes) -> int:
        return write(file, data[: int(len(data) * next(parts))])

    monkeypatch.setattr(grants.os, "write", some)
    for viewer in range(1, 6):
        grant(order(viewer, [11], now, cap=5))
    monkeypatch.undo()
    assert len(files()) == 2
    background_client().flushdb()
    assert rebuild.rebuild()
    assert counted(11) == 4


def test_a_file_that_is_settled_before_it_is_locked_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now, flock = clock.now(), fcntl.flock

    def late(file: int, how: int) -> None:
        monkeypatch.setattr(grants.fcntl, "flock", flock)
        assert settle_grants() == 0
        flock(file, how)

    monkeypatch.setattr(grants.fcntl, "flock", late)
    for viewer in range(1, 4):
        grant(order(viewer, [11], now, cap=3))
    background_client().flushdb()
    assert rebuild.rebuild()
    assert counted(11) == 3


def test_a_record_that_was_changed_on_disk_ends_the_file() -> None:
    grant(order(1, [11], clock.now()))
    grant_file().close()
    [path] = files()
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert settle_grants() == 0
    assert Delivery.objects.count() == 0


def test_a_file_is_turned_over_after_a_while(tmp_path: Path) -> None:
    file = GrantFile(tmp_path)
    one = order(1, [11], clock.now())
    found = reserve(one)
    for _ in range(2):
        file.append(payload=one.payload, state=b"", kept=found.kept, gone=0, capped=0)
        file.turn_over(now=file._opened_at + SEGMENT_SECONDS + 1)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_takes_no_file_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "grants").write_text("no folder")
    file = GrantFile(tmp_path / "grants")
    file.append(payload=b"{}", state=b"", kept=[0], gone=0, capped=0)
    file.turn_over()


def test_positions_and_state_come_back_as_they_were_granted() -> None:
    one = order(1, [11, 12, 13], clock.now(), limit=2)
    background_client().sadd(online.GONE["member"], 11)
    found = reserve(one)
    append(one, found)
    background_client().delete(online.STREAM)
    settle_grants(everything=True)
    row = Delivery.objects.get()
    assert row.candidates == [12, 13]
    assert row.trace[-1]["gone"] == 1


def test_a_grant_counts_in_the_hour_in_which_it_was_made() -> None:
    earlier = clock.now() - timedelta(hours=3)
    grant(order(1, [11], earlier, hold=6 * 3600))
    background_client().flushdb()
    assert rebuild.rebuild()
    assert ledger_differences() == []
    assert counted(11) == 1
