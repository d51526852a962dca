"""The refresh on a market of four members, from real rows to an opened snapshot."""

import os
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from apps.common import clock, gone, online
from apps.common.errors import NotFound
from apps.common.models import AuditEntry
from apps.common.valkey import writing_client
from apps.interactions.models import Event
from apps.interactions.partitions import ensure_partitions
from apps.members.models import Connection, Member
from apps.members.selectors import latest_adult_birth_date
from apps.pipeline import snapshot as snapshots
from apps.pipeline.snapshot import Snapshot, SnapshotRefused, open_snapshot
from apps.refresh import jobs, services
from apps.refresh.identifiers import open_identifiers
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.refresh.selectors import active_snapshot_id, snapshot_folder
from apps.releases.services import edit_revision, start_revision
from tests.refresh.rows import decide, make_market, make_member, make_place

pytestmark = pytest.mark.usefixtures("market")


def opened() -> Snapshot:
    active = active_snapshot_id()
    assert active is not None
    return open_snapshot(snapshot_folder(active))


@pytest.fixture
def four() -> dict[str, Member]:
    """Two women and two men in London; Cy is hidden. Ada likes Bob, Eve passes Bob, Bob likes Ada."""
    london = make_market()
    people = {
        "ada": make_member("ada", london, industries=["film"]),
        "eve": make_member("eve", london),
        "bob": make_member("bob", london, gender="man", seeking=["woman"]),
        "cy": make_member("cy", london, gender="man", seeking=["woman"], visibility="hidden"),
    }
    decide(people["ada"], people["bob"], "matched")
    decide(people["bob"], people["ada"], "matched")
    decide(people["eve"], people["bob"], "passed", days_ago=40)
    return people


def test_a_refresh_turns_rows_into_an_active_snapshot(four: dict[str, Member]) -> None:
    row = services.refresh()

    snapshot = opened()
    dating = snapshot.surfaces["dating"].candidates
    numbers = [four[name].number for name in ("ada", "eve", "bob")]
    assert sorted(dating["number"].tolist()) == sorted(numbers)
    assert snapshot.vocabulary["industries"] == ("film",)
    at = {number: i for i, number in enumerate(dating["number"].tolist())}
    assert dating["popularity"][at[four["ada"].number]] == 1
    assert dating["popularity"][at[four["bob"].number]] == 1
    assert row.counts["dating"] == {"candidates": 3, "viewers": 3}
    assert row.counts["travel"] == {"candidates": 0, "viewers": 4}
    assert row.report["learnt"]["dating"]["decisions"] == 3
    assert RefreshJob.objects.get().status == "done"


def test_who_likes_more_is_less_selective_and_who_is_liked_more_has_more_appeal(
    four: dict[str, Member],
) -> None:
    services.refresh()
    table = opened().surfaces["dating"].candidates
    of = {
        name: {
            column: table[column][table["number"] == four[name].number][0]
            for column in ("selectivity", "appeal")
        }
        for name in ("ada", "eve", "bob")
    }
    assert of["ada"]["selectivity"] > 0 > of["eve"]["selectivity"]
    assert of["ada"]["appeal"] > 0


def test_ids_lie_beside_the_snapshot(four: dict[str, Member]) -> None:
    row = services.refresh()
    ids = open_identifiers(snapshot_folder(row.id), "member")
    assert ids.number_of("ada") == four["ada"].number
    assert ids.ids_of([four["cy"].number]) == ["cy"]  # hidden, but may look


def test_nothing_at_all_is_a_snapshot_too() -> None:
    services.refresh()
    assert len(opened().surfaces["dating"].candidates) == 0


def test_one_member_alone_is_a_snapshot_too() -> None:
    make_member("ada")
    services.refresh()
    assert len(opened().surfaces["networking"].candidates) == 1


def test_mutual_connections_walk_only_visible_edges_to_people_who_are_shown(four: dict[str, Member]) -> None:
    ada, eve, bob, cy = four.values()
    Connection.objects.create(a=ada, b=eve)
    Connection.objects.create(a=ada, b=bob, visible=False)
    Connection.objects.create(a=eve, b=bob, kind="contact")
    Connection.objects.create(a=bob, b=cy)

    services.refresh()

    graph = opened().connections
    assert graph.neighbours(ada.number).tolist() == [eve.number]
    assert graph.neighbours(eve.number).tolist() == [ada.number]
    assert graph.neighbours(bob.number).tolist() == []
    assert graph.neighbours(cy.number).tolist() == [bob.number]


def test_a_match_is_walked_on_its_own_surface_over_nobody_hidden_or_blocked() -> None:
    """Ada is connected to Eve, and Eve matched with Bo, Cy (hidden) and Dee (who blocked Ada)."""
    london = make_market()
    ada, eve, bo, cy, dee, fay, gil = (
        make_member(name, london, seeking=["woman"], visibility="hidden" if name == "cy" else "visible")
        for name in ("ada", "eve", "bo", "cy", "dee", "fay", "gil")
    )
    Connection.objects.create(a=ada, b=eve)
    for one, other in ((eve, bo), (eve, cy), (eve, dee), (bo, fay), (dee, gil)):
        decide(one, other, "matched")
        decide(other, one, "matched")
    decide(dee, ada, "blocked", surface="")

    services.refresh()
    assert not any(len(graph.targets) for graph in opened().pagerank.values()), "nobody asks for it"
    asked = {f"{surface}.quotas.pagerank": 50 for surface in ("dating", "networking")}
    edit_revision(start_revision(actor=None), 1, asked)
    services.refresh()

    found = opened().pagerank
    near = {key: set(graph.neighbours(ada.number).tolist()) for key, graph in found.items()}
    assert near == {"dating": {bo.number, fay.number}, "networking": set()}
    weights = dict(zip(*(part.tolist() for part in found["dating"].weighted(ada.number)), strict=True))
    assert weights[bo.number] > weights[fay.number]
    assert eve.number not in found["dating"].neighbours(cy.number)  # matched; he is hidden, but may look
    assert ada.number in found["dating"].neighbours(cy.number)


def test_blocked_pairs_have_no_connection(four: dict[str, Member]) -> None:
    ada, eve, bob, _ = four.values()
    Connection.objects.create(a=ada, b=eve)
    Connection.objects.create(a=eve, b=bob)
    decide(eve, ada, "reported", surface="")

    services.refresh()

    graph = opened().connections
    assert graph.neighbours(ada.number).tolist() == []
    assert graph.neighbours(eve.number).tolist() == [bob.number]


def test_a_member_sees_what_their_connections_saved(four: dict[str, Member]) -> None:
    ada, eve, bob, _ = four.values()
    bar, club = (make_place(name, ada.home_market) for name in ("bar", "club"))
    for friend in (eve, bob):
        Connection.objects.create(a=ada, b=friend)
        decide(friend, bar, "saved", surface="travel")
    decide(bob, club, "saved", surface="travel")

    services.refresh()

    graph = opened().friends_places
    start, stop = graph.span(ada.number)
    saved = dict(zip(graph.targets[start:stop].tolist(), graph.weights[start:stop].tolist(), strict=True))
    assert saved == {bar.number: 2.0, club.number: 1.0}
    places = opened().surfaces["travel"].candidates
    assert places["popularity"][places["number"] == bar.number][0] == pytest.approx(np.log(3))


def test_an_event_makes_its_actor_active(four: dict[str, Member]) -> None:
    when = clock.now() - timedelta(hours=2)
    ensure_partitions("interactions_event", [when])
    Event.objects.create(
        id="7f2b5b3c-3f0a-4a55-9d0e-000000000001",
        type="profile_view",
        actor=four["ada"].number,
        target=four["bob"].number,
        target_kind="member",
        occurred_at=when,
        received_at=when,
    )
    services.refresh()
    table = opened().surfaces["dating"].candidates
    assert table["active_hour"][table["number"] == four["ada"].number][0] == int(when.timestamp() // 3600)


def test_the_same_key_is_done_once(four: dict[str, Member]) -> None:
    first = services.refresh(key="tuesday")
    second = services.refresh(key="tuesday")
    assert first.id == second.id
    assert SnapshotRow.objects.count() == 1


def test_a_running_refresh_makes_another_wait(four: dict[str, Member]) -> None:
    jobs.claim("one")
    with pytest.raises(jobs.RefreshBusy):
        services.refresh()
    assert active_snapshot_id() is None


def test_a_lapsed_lease_is_taken_over_and_the_late_one_can_activate_nothing(four: dict[str, Member]) -> None:
    late = jobs.claim("one")
    assert isinstance(late, jobs.Claim)
    RefreshJob.objects.update(leased_until=clock.now() - timedelta(seconds=1))

    row = services.refresh(key="one")

    with pytest.raises(jobs.RefreshLost):
        services.Steps(late, print)("writing")
    with pytest.raises(jobs.RefreshLost):
        services._activate(late, Path("anywhere"), clock.now(), {})
    assert active_snapshot_id() == row.id


def test_a_job_that_failed_three_times_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no luck")

    monkeypatch.setattr(services, "read_source", fail)
    for _ in range(3):
        with pytest.raises(ValueError, match="no luck"):
            services.refresh(key="one")
    with pytest.raises(jobs.RefreshRefused, match=r"failed 3 times.*no luck"):
        services.refresh(key="one")


def test_a_snapshot_that_fails_its_check_never_serves(
    four: dict[str, Member], monkeypatch: pytest.MonkeyPatch, snapshot_dir: Path
) -> None:
    before = services.refresh()
    real = services.read_source

    def forget_that_bob_paused(*arguments: object) -> object:
        source = real(*arguments)  # type: ignore[arg-type]
        shown = source.may_be_shown["member"]
        source.may_be_shown["member"] = shown[shown != four["bob"].number]  # type: ignore[index]
        return source

    monkeypatch.setattr(services, "read_source", forget_that_bob_paused)
    with pytest.raises(SnapshotRefused, match="may not be shown"):
        services.refresh()

    assert active_snapshot_id() == before.id
    assert RefreshJob.objects.filter(status="failed").count() == 1
    monkeypatch.undo()
    services.refresh()
    assert not [folder for folder in snapshot_dir.iterdir() if folder.name.startswith(services.UNFINISHED)]


def test_an_erased_member_is_gone_from_the_next_snapshot(four: dict[str, Member]) -> None:
    services.refresh()
    number = four["bob"].number
    four["bob"].delete()
    row = services.refresh()
    assert number not in opened().surfaces["dating"].candidates["number"]
    assert open_identifiers(snapshot_folder(row.id), "member").number_of("bob") is None


def test_five_snapshots_stay_and_an_earlier_one_can_serve_again(four: dict[str, Member]) -> None:
    rows = [services.refresh() for _ in range(6)]

    on_disk = [row.id for row in rows if snapshot_folder(row.id).exists()]
    assert on_disk == [row.id for row in rows[1:]]
    services.activate_snapshot(rows[2].id)
    assert active_snapshot_id() == rows[2].id
    entry = AuditEntry.objects.get(action="snapshot.served")
    assert (entry.before, entry.after) == ({"active": rows[5].id}, {"active": rows[2].id})
    assert SnapshotRow.objects.filter(status="active").count() == 1
    with pytest.raises((NotFound, SnapshotRefused)):
        services.activate_snapshot(rows[0].id)


def test_no_snapshot_is_kept_over_a_week_unless_it_serves(four: dict[str, Member]) -> None:
    old, active = services.refresh(), services.refresh()
    SnapshotRow.objects.update(data_until=clock.now() - timedelta(days=8))
    assert services.remove_old_snapshots() == [old.id]
    assert active_snapshot_id() == active.id


def test_words_keep_their_bits_from_one_refresh_to_the_next(four: dict[str, Member]) -> None:
    make_member("x", crafts=["acting"])
    services.refresh()
    for name in ("y", "z"):
        make_member(name, crafts=["writing"])
    services.refresh()
    assert opened().vocabulary["crafts"] == ("acting", "writing")


@pytest.mark.parametrize("harm", ["truncated", "flipped", "manifest", "version", "missing"])
def test_a_harmed_snapshot_is_refused(four: dict[str, Member], harm: str) -> None:
    folder = snapshot_folder(services.refresh().id)
    file = folder / "dating.candidates.number.npy"
    if harm == "truncated":
        file.write_bytes(file.read_bytes()[:-4])
    elif harm == "flipped":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif harm == "manifest":
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"created_at": 1', '"created_at": 2'))
    elif harm == "version":
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"schema": 2', '"schema": 1'))
    else:
        file.unlink()
    with pytest.raises(SnapshotRefused):
        open_snapshot(folder)


def test_files_are_checked_by_a_thread_that_goes_last_and_by_no_other(
    four: dict[str, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = snapshot_folder(services.refresh().id)
    before, ranks = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), []

    def checksum_of(path: Path) -> str:
        ranks.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return read(path)

    read = snapshots.checksum_of
    monkeypatch.setattr(snapshots, "checksum_of", checksum_of)
    open_snapshot(folder)
    assert set(ranks) == {19}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_under_18_never_gets_in(four: dict[str, Member]) -> None:
    child = make_member("child", birth_date=clock.today() - timedelta(days=17 * 365))
    services.refresh()
    assert child.number not in opened().surfaces["networking"].candidates["number"]


def test_a_refresh_brings_back_whoever_turned_18(four: dict[str, Member]) -> None:
    today = clock.today()
    Member.objects.filter(external_id="ada").update(birth_date=latest_adult_birth_date(today))
    ada = Member.objects.get(external_id="ada")
    gone.say_gone(writing_client(), "member", {ada.number: ada.version})  # as it was said yesterday
    services.refresh()
    assert not writing_client().sismember(online.GONE["member"], str(ada.number))
