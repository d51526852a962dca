import csv
import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from apps.learning import speed_dating
from apps.learning.speed_dating_study import (
    LEARNT_WAVES,
    Study,
    half_known,
    never_seen,
    ours_from_profiles,
    ours_half_known,
    popularity,
    raw_columns,
)

WAVES, EACH = 13, 5  # five women and five men an evening


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An experiment of our own in the same columns: who loves sports is liked."""
    rng = np.random.default_rng(5)
    path = tmp_path / "dates.csv"
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["iid", "pid", "wave", "dec", *speed_dating.RAW])
        writer.writeheader()
        for wave in range(1, WAVES + 1):
            people = [wave * 100 + i for i in range(2 * EACH)]
            answers = {
                person: {name: str(rng.integers(1, 11)) for name in speed_dating.RAW}
                | {
                    "gender": str(int(i >= EACH)),
                    "age": str(rng.integers(20, 35)),
                    "goal": "4.0",
                    "career_c": "2.0",
                }
                for i, person in enumerate(people)
            }
            for person in people:
                for other in people:
                    if (person in people[:EACH]) != (other in people[:EACH]):
                        liked = rng.random() < float(answers[other]["sports"]) / 11
                        row = {"iid": person, "pid": f"{other}.0", "wave": wave, "dec": int(liked)}
                        writer.writerow(row | answers[person])
    return path


def test_answers_become_a_profile(file: Path) -> None:
    data = speed_dating.read(file)
    assert len(data.people) == WAVES * 2 * EACH
    assert len(data.decisions) == WAVES * 2 * EACH * EACH
    assert set(data.people["gender"].tolist()) == {1, 2}
    assert data.people["intents"].tolist() == [1] * len(data.people)  # long term
    assert data.people["industries"].tolist() == [1 << 2] * len(data.people)
    sports = speed_dating.RAW.index("sports")
    low, high = np.argmin(data.raw[:, sports]), np.argmax(data.raw[:, sports])
    assert data.people["interests"][low] & np.uint64(0b111) == 0
    assert data.people["interests"][high] & np.uint64(0b111) == 0b111


def test_every_meeting_has_another_side(file: Path) -> None:
    data = speed_dating.read(file)
    other = speed_dating.opposite(data.decisions)
    assert (data.decisions.source[other] == data.decisions.target).all()
    assert (other[other] == np.arange(len(other))).all()


def test_half_of_each_persons_decisions_are_known(file: Path) -> None:
    study = Study(speed_dating.read(file))
    known = study.half_known(0)
    assert np.bincount(study.decisions.source, known).tolist() == [EACH // 2] * len(study.data.people)


@pytest.mark.parametrize("method", [ours_from_profiles, ours_half_known, popularity, raw_columns])
def test_no_score_knows_a_label_it_is_judged_on(file: Path, method) -> None:  # type: ignore[no-untyped-def]
    """The other way round, every unknown label: no score may move."""
    data = speed_dating.read(file)
    study = Study(data)
    known = study.half_known(0) if method is not ours_from_profiles else np.zeros(len(data.decisions), "?")
    unknown = study.scored & ~known
    turned = dataclasses.replace(data.decisions, liked=data.decisions.liked ^ unknown)
    other = Study(dataclasses.replace(data, decisions=turned))
    assert np.array_equal(method(study, known), method(other, known))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not the speed-dating file"):
        speed_dating.read(path)


@pytest.mark.data
@pytest.mark.slow
def test_the_real_experiment_is_predicted_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.learning.speed_dating_study.HALVES", 2)
    study = Study(speed_dating.read(Path(os.environ["RAYA_RECS_DATA"]) / "speed_dating.csv.gz"))
    assert study.data.waves[:LEARNT_WAVES] == (1, 3, 4, 5, 7, 8, 9, 10, 12, 13, 15)
    profiles, half = never_seen(study), half_known(study)
    assert profiles["ours"].like_by_wave > 0.57
    assert half["ours"].like > 0.75
    assert half["ours"].match > 0.72
    assert half["ours"].like > half["popularity"].like + 0.1
