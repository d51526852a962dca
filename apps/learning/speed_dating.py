"""The speed-dating experiment (Fisman, Iyengar, Kamenica, Simonson, 2002 to 2004) as our own columns.

Takes its CSV; gives a table of people, their decisions and the wave of each. Only what was known before an
evening is read: ratings made after a meeting are not, and neither is race, which no profile of ours holds.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.decisions import Decisions, decisions_of
from apps.pipeline.contracts import I32, Mask
from apps.pipeline.table import Table, table_from_columns
from apps.pipeline.vocabulary import ALL_INTENTS, GENDERS, INTENTS

EVENING = 20_030_101  # the day on which all ages are taken
INTERESTS = [
    *(
        "sports",
        "tvsports",
        "exercise",
        "dining",
        "museums",
        "art",
        "hiking",
        "gaming",
        "clubbing",
        "reading",
    ),
    *("tv", "theater", "movies", "concerts", "music", "shopping", "yoga"),
]
SELF = [f"{name}3_1" for name in ("attr", "sinc", "fun", "intel", "amb")]
WANTS = [f"{name}1_1" for name in ("attr", "sinc", "intel", "fun", "amb", "shar")]
EXPECTS = [f"{name}2_1" for name in ("attr", "sinc", "intel", "fun", "amb", "shar")]
HABITS = ["date", "go_out", "exphappy", "imprelig"]
GOALS = {"1": "casual", "2": "friends", "3": "short_term", "4": "long_term"}
# Everything a person said before the evening, race left out; for a baseline on the raw columns.
RAW = ["gender", "age", "goal", "career_c", *INTERESTS, *SELF, *WANTS, *EXPECTS, *HABITS]


@dataclass(frozen=True)
class SpeedDating:
    """People by row; decisions and wave by meeting, in the file's order."""

    people: Table
    raw: npt.NDArray[np.float64]  # [people, len(RAW)], NaN where nothing was said
    decisions: Decisions
    wave: I32  # [meetings] the wave's number
    waves: tuple[int, ...]  # in the order of the file


def read(path: Path) -> SpeedDating:
    """Reads the file, plain or compressed. Raises ValueError when columns are missing or nothing is left."""
    with _opened(path) as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"iid", "pid", "dec", "wave", *RAW} <= rows[0].keys():
        raise ValueError(f"{path.name} is not the speed-dating file: its columns are missing")
    people = {_whole(row["iid"]): row for row in reversed(rows)}
    index = {iid: i for i, iid in enumerate(sorted(people))}
    met = [row for row in rows if row["pid"] and _whole(row["pid"]) in index]
    decisions = decisions_of(
        [index[_whole(row["iid"])] for row in met],
        [index[_whole(row["pid"])] for row in met],
        [row["dec"] == "1" for row in met],
    )
    wave = np.array([_whole(row["wave"]) for row in met], "i4")
    raw = np.array([[_number(people[iid][name]) for name in RAW] for iid in index], "f8")
    return SpeedDating(
        people_table([people[iid] for iid in index], list(index), raw),
        raw,
        decisions,
        wave,
        tuple(dict.fromkeys(wave.tolist())),
    )


def people_table(rows: Sequence[Mapping[str, str]], numbers: Sequence[int], raw: npt.NDArray[Any]) -> Table:
    """Answers as a profile. A scale becomes words: one for each level it reaches."""
    column = {name: raw[:, i] for i, name in enumerate(RAW)}
    woman = column["gender"] == 0
    age = column["age"]
    birth_year = np.where(np.isnan(age), 0, EVENING // 10000 - np.nan_to_num(age)).astype("i4")
    return table_from_columns(
        "member",
        {
            "number": numbers,
            "gender": np.where(woman, GENDERS["woman"], GENDERS["man"]),
            "seeking": np.where(woman, GENDERS["man"], GENDERS["woman"]),
            "birth_date": np.where(birth_year > 0, birth_year * 10000 + 101, 0),
            "age_min": 18,
            "age_max": 120,
            "intents": [_intents(row["goal"]) for row in rows],
            "industries": [_one_bit(value) for value in column["career_c"]],
            "crafts": _levels([column[name] for name in (*WANTS, *EXPECTS)]),
            "skills": _levels([column[name] for name in (*SELF, *HABITS)]),
            "interests": _levels([column[name] for name in INTERESTS]),
        },
        len(rows),
    )


def block_of(data: SpeedDating, waves: Sequence[int]) -> Mask:
    """[meetings] which of them took place in these waves."""
    return np.isin(data.wave, waves)


def opposite(decisions: Decisions) -> npt.NDArray[np.int64]:
    """[n] the position of the same meeting seen by the other side; -1 where the file has only one side."""
    where = {
        pair: i
        for i, pair in enumerate(zip(decisions.source.tolist(), decisions.target.tolist(), strict=True))
    }
    pairs = zip(decisions.target.tolist(), decisions.source.tolist(), strict=True)
    return np.array([where.get(pair, -1) for pair in pairs], "i8")


def _levels(columns: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.uint64]:
    """Each answer as the levels it reaches: equal shares of the people, as many as fit in 64 bits."""
    masks = np.zeros(len(columns[0]), "u8")
    levels = 64 // len(columns)
    shares = np.linspace(0, 100, levels + 2)[1:-1]
    for bit, (values, share) in enumerate(product(columns, shares)):
        reached = values > np.nanpercentile(values, share)
        masks |= reached.astype("u8") << np.uint64(bit)
    return masks


def _intents(goal: str) -> int:
    name = GOALS.get(goal.split(".")[0])
    return INTENTS[name] if name else ALL_INTENTS


def _one_bit(value: float) -> int:
    return 0 if np.isnan(value) else 1 << int(value)


def _opened(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", newline="")
    return path.open(newline="")


def _whole(text: str) -> int:
    return int(float(text))


def _number(text: str) -> float:
    return float(text) if text else float("nan")
