"""Between two learnings a refresh keeps the models: who is there is new, what was learnt of them is not."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command

from apps.interactions.models import Relationship
from apps.members.models import Connection, Member
from apps.pipeline.snapshot import Snapshot, open_snapshot
from apps.pipeline.table import LEARNT, Table
from apps.places.models import Place
from apps.refresh import reading, services, tasks
from apps.refresh.models import SnapshotRow
from apps.refresh.selectors import active_snapshot_id, learnt_predictions, snapshot_folder
from apps.releases.services import edit_revision, publish_revision, start_revision
from apps.surfaces.models import Surface
from tests.refresh.rows import decide, make_market, make_member, make_place

pytestmark = pytest.mark.usefixtures("market")
A_DAY = timedelta(days=1)


def opened() -> Snapshot:
    active = active_snapshot_id()
    assert active is not None
    return open_snapshot(snapshot_folder(active))


def row(table: Table, member: Member) -> Table:
    return table.gather(np.flatnonzero(table["number"] == member.number))


@pytest.fixture
def people() -> dict[str, Member]:
    """Twelve who decide about each other, so that there is something to learn."""
    london = make_market()
    women = [make_member(f"w{i}", london, industries=["film"], interests={"art": 1}) for i in range(6)]
    men = [make_member(f"m{i}", london, gender="man", seeking=["woman"]) for i in range(6)]
    bar = make_place("bar", london)
    for i, woman in enumerate(women):
        for j, man in enumerate(men):
            decide(woman, man, "liked" if i > j else "passed", days_ago=1 + i)
            decide(man, woman, "liked" if j > 2 else "passed", days_ago=2 + j)
        decide(woman, bar, "saved", surface="travel")
    return {member.external_id: member for member in (*women, *men)}


def test_what_was_learnt_stays_and_who_is_there_is_read_anew(people: dict[str, Member]) -> None:
    learning = services.refresh()
    predicted = learnt_predictions()
    before = opened()
    Member.objects.filter(external_id="m0").update(status="paused")
    Member.objects.filter(external_id="m1").update(age_min=40, interests={"art": 1})
    newcomer = make_member("new", people["w0"].home_market, interests={"art": 1})
    Connection.objects.create(a=people["w0"], b=people["w1"])
    Relationship.objects.filter(actor=people["w3"].number).update(state="passed")

    kept = services.refresh(keep_models=A_DAY)

    after = opened()
    table, earlier = (one.surfaces["dating"].candidates for one in (after, before))
    assert set(table["number"]) == set(earlier["number"]) - {people["m0"].number} | {newcomer.number}
    for member in (people["m1"], people["w3"]):
        for name in (*LEARNT, "popularity"):
            assert np.array_equal(row(table, member)[name], row(earlier, member)[name])
    assert row(table, people["m1"])["age_min"] == 40
    assert after.connections.neighbours(people["w0"].number).tolist() == [people["w1"].number]
    assert after.surfaces["dating"].models == before.surfaces["dating"].models
    assert after.content.keys() == before.content.keys()
    assert kept.report["learnt"] == learning.report["learnt"]
    assert kept.report["learnt_at"] == learning.report["learnt_at"]
    assert "learning dating" not in kept.report["seconds"]
    assert learnt_predictions() == predicted


def test_walks_go_over_the_ties_of_today(people: dict[str, Member]) -> None:
    m0, m1, w0, w1 = (people[name] for name in ("m0", "m1", "w0", "w1"))
    Connection.objects.create(a=w0, b=m0)
    lost = Connection.objects.create(a=w1, b=m0)
    Relationship.objects.filter(state="liked", actor__in=[w1.number, m1.number]).update(state="passed")
    draft = edit_revision(start_revision(actor=None), 1, {"networking.weights.pagerank": 0.5})
    publish_revision(draft, actor=None, note="")
    services.refresh()
    assert w1.number in opened().pagerank["networking"].neighbours(w0.number)
    lost.delete()
    services.refresh(keep_models=A_DAY)
    assert w1.number not in opened().pagerank["networking"].neighbours(w0.number)


@pytest.mark.parametrize("vectors", ["float32", "bfloat16"])
def test_without_a_change_nothing_but_the_name_differs(
    people: dict[str, Member], settings: Any, vectors: str
) -> None:
    settings.SNAPSHOT_VECTORS = vectors
    services.refresh()
    before = opened()
    services.refresh(keep_models=A_DAY)
    after = opened()
    for key, data in before.surfaces.items():
        for table, other in (
            (data.candidates, after.surfaces[key].candidates),
            (data.viewers, after.surfaces[key].viewers),
        ):
            for name in table.columns:
                assert np.array_equal(table.columns[name], other.columns[name]), (key, name)
    assert before.surfaces["dating"].candidates["taste"].any()
    assert np.array_equal(before.friends_places.targets, after.friends_places.targets)


def test_what_goes_along_with_a_members_saves_is_learnt_and_kept_of_those_who_are_there(
    people: dict[str, Member],
) -> None:
    first, *others = (people[f"w{i}"] for i in range(6))  # who all saved the bar
    club, hidden = (make_place(name, first.home_market) for name in ("club", "hidden"))
    for member in others:
        for place in (club, hidden):
            decide(member, place, "saved", surface="travel")
    services.refresh()
    assert opened().alike.neighbours(first.number).tolist() == sorted([club.number, hidden.number])
    Place.objects.filter(pk=hidden.pk).update(visibility="hidden")
    services.refresh(keep_models=A_DAY)
    assert opened().alike.neighbours(first.number).tolist() == [club.number]
    services.refresh()
    assert opened().alike.neighbours(first.number).tolist() == [club.number]


def test_models_are_kept_when_vectors_are_stored_otherwise(people: dict[str, Member], settings: Any) -> None:
    services.refresh()
    learnt = opened().surfaces["dating"].candidates
    settings.SNAPSHOT_VECTORS = "bfloat16"
    services.refresh(keep_models=A_DAY)
    half = opened().surfaces["dating"].candidates
    assert half.columns["looks"].dtype == np.uint16
    for name in ("taste", "looks"):
        np.testing.assert_allclose(half[name], learnt[name], rtol=2**-8)
    settings.SNAPSHOT_VECTORS = "float32"
    services.refresh(keep_models=A_DAY)
    again = opened().surfaces["dating"].candidates
    assert again.columns["looks"].dtype == np.float32
    assert np.array_equal(again["looks"], half["looks"])


def test_decisions_are_not_read_while_the_models_are_kept(
    people: dict[str, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    services.refresh()

    def fail(*_: object) -> None:
        raise AssertionError("decisions were read")

    monkeypatch.setattr(reading, "decisions_on", fail)
    services.refresh(keep_models=A_DAY)
    with pytest.raises(AssertionError, match="were read"):
        services.refresh()


@pytest.mark.parametrize("change", ["old", "surface", "harmed", "unsaid"])
def test_it_learns_when_there_is_nothing_to_keep(people: dict[str, Member], change: str) -> None:
    first = services.refresh()
    keep = A_DAY
    if change == "old":
        keep = timedelta(0)
    elif change == "surface":
        Surface.objects.create(
            key="mentors", name="Mentors", kind="member", eligibility="networking", positive_event="like"
        )
    elif change == "harmed":
        (snapshot_folder(first.id) / "manifest.json").unlink()
    else:
        SnapshotRow.objects.update(report={})
    second = services.refresh(keep_models=keep)
    assert "learning dating" in second.report["seconds"]
    assert second.report["learnt_at"] == second.data_until.isoformat()


def test_beat_keeps_them_for_a_while_and_the_command_when_it_is_told_to(
    people: dict[str, Member], capsys: pytest.CaptureFixture[str]
) -> None:
    tasks.refresh_task("one")
    tasks.refresh_task("two")
    call_command("refresh", "--keep-models")
    said = capsys.readouterr().out
    assert "keeping the models" in said
    assert "learning dating" not in said
    call_command("refresh")
    assert "learning dating" in capsys.readouterr().out
    learnt = ["learning dating" in row.report["seconds"] for row in SnapshotRow.objects.order_by("built_at")]
    assert learnt == [True, False, False, True]
