"""The Columbia speed-dating experiment: each wave a market, its decisions as likes and passes on `dating`.

Each wave is a complete two-sided market, so nobody names intents and all accept every age. Wave w takes place
5 w days after FIRST_DAY at 19:00 UTC and everybody decides every 4 minutes in the order of the file: waves
follow each other as they did, so a split in time is a split by wave. What was rated after a meeting is left
out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apps.interactions.bodies import EventBody
from apps.members.bodies import MemberBody
from apps.simulation.datasets import Dataset, MarketRow, birth_date, event_id, file_in, open_text

FILE = "speed_dating.csv"
FIRST_DAY = datetime(2025, 9, 1, 19, tzinfo=UTC)
NEW_YORK = (40.8075, -73.9626)
GENDERS = {"0": "woman", "1": "man"}
INTERESTS = (
    "sports", "tvsports", "exercise", "dining", "museums", "art", "hiking", "gaming", "clubbing", "reading",
    "tv", "theater", "movies", "concerts", "music", "shopping", "yoga",
)  # fmt: skip
CAREERS = {
    1: "law", 2: "education", 3: "psychology", 4: "health", 5: "technology", 6: "arts", 7: "business",
    8: "real estate", 9: "international affairs", 11: "social work", 12: "speech pathology", 13: "government",
    14: "sports", 16: "journalism", 17: "architecture",
}  # fmt: skip
Rows = list[Mapping[str, str]]


def read(path: Path) -> Dataset:
    """Raises OSError, KeyError for another file."""
    with open_text(file_in(path, FILE)) as file:
        rows: Rows = list(csv.DictReader(file))
    waves = sorted({int(row["wave"]) for row in rows})
    return Dataset(
        markets=[
            MarketRow(_market(wave), f"Wave {wave}", *NEW_YORK, "US", "America/New_York") for wave in waves
        ],
        members=_members(rows),
        events=_events(rows),
    )


def _market(wave: int) -> str:
    return f"wave-{wave}"


def _members(rows: Rows) -> Iterator[tuple[str, MemberBody]]:
    people = {int(row["iid"]): row for row in reversed(rows)}  # the first row of each
    for iid, row in sorted(people.items()):
        yield f"sd-{iid}", MemberBody.model_validate(_profile(iid, row))


def _profile(iid: int, row: Mapping[str, str]) -> dict[str, Any]:
    gender = GENDERS[row["gender"]]
    career = CAREERS.get(_number(row["career_c"]) or 0)
    age = _number(row["age"])
    wave = int(row["wave"])
    return {
        "display_name": f"Participant {iid}",
        "status": "active",
        "birth_date": age and birth_date(age, iid),
        "gender": gender,
        "seeking": ["man" if gender == "woman" else "woman"],
        "home": {"latitude": NEW_YORK[0], "longitude": NEW_YORK[1], "market": _market(wave)},
        "industries": [career] if career else [],
        "crafts": [row["field"].strip()[:40]] if row["field"].strip() else [],
        # A few answered above 10, the end of the scale.
        "interests": {name: min(float(row[name]) / 10, 1.0) for name in INTERESTS if row[name]},
        "joined_at": FIRST_DAY + timedelta(days=5 * wave - 1),
    }


def _events(rows: Iterable[Mapping[str, str]]) -> Iterator[EventBody]:
    met: dict[int, int] = {}
    for row in rows:
        iid, pid = int(row["iid"]), _number(row["pid"])
        met[iid] = met.get(iid, -1) + 1
        if pid is not None:
            yield EventBody.model_validate(
                {
                    "id": event_id(f"speed_dating:{iid}:{pid}"),
                    "type": "like" if row["dec"] == "1" else "pass",
                    "actor": f"sd-{iid}",
                    "target": f"sd-{pid}",
                    "surface": "dating",
                    "occurred_at": FIRST_DAY + timedelta(days=5 * int(row["wave"]), minutes=4 * met[iid]),
                }
            )


def _number(text: str) -> int | None:
    return int(float(text)) if text else None
