"""OkCupid profiles (San Francisco, 59,946) as active members of one market.

The file has neither homes nor age preferences nor names: all live in the centre and accept every age.
Left out on purpose: ethnicity, religion, body, drugs, income. No intents are named: open to all.
"""

from __future__ import annotations

import csv
import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from apps.members.bodies import MemberBody
from apps.simulation.datasets import REFERENCE, Dataset, MarketRow, birth_date, file_in, open_text

FILE = "okcupid_profiles_revised.csv"
MARKET = MarketRow("san-francisco", "San Francisco", 37.7749, -122.4194, "US", "America/Los_Angeles")
OPPOSITE = {"woman": "man", "man": "woman"}
# job -> industries, crafts
JOBS: Mapping[str, tuple[list[str], list[str]]] = {
    "science / tech / engineering": (["technology", "science"], ["engineering"]),
    "computer / hardware / software": (["technology"], ["software engineering"]),
    "artistic / musical / writer": (["arts"], []),
    "sales / marketing / biz dev": (["marketing"], ["marketing"]),
    "medicine / health": (["health"], ["medicine"]),
    "education / academia": (["education"], ["teaching"]),
    "executive / management": (["business"], ["management"]),
    "banking / financial / real estate": (["finance"], []),
    "entertainment / media": (["media"], []),
    "law / legal services": (["law"], ["law"]),
    "hospitality / travel": (["hospitality"], []),
    "construction / craftsmanship": (["construction"], []),
    "clerical / administrative": (["administration"], []),
    "political / government": (["government"], []),
    "transportation": (["transportation"], []),
    "military": (["military"], []),
}
WEIGHTS = {"has": 1.0, "likes": 0.6, "strictly": 1.0, "mostly": 0.6}
DIETS = ("vegetarian", "vegan", "kosher", "halal")


def read(path: Path) -> Dataset:
    """Raises OSError, KeyError for another file."""
    return Dataset(markets=[MARKET], members=_members(file_in(path, FILE)))


def _members(path: Path) -> Iterator[tuple[str, MemberBody]]:
    with open_text(path) as file:
        for number, raw in enumerate(csv.DictReader(file), start=1):
            row = {key: html.unescape(value) for key, value in raw.items()}
            yield f"okc-{number}", MemberBody.model_validate(_profile(number, row))


def _profile(number: int, row: Mapping[str, str]) -> dict[str, Any]:
    gender = {"m": "man", "f": "woman"}[row["sex"]]
    industries, crafts = JOBS.get(row["job"], ([], []))
    return {
        "display_name": f"Profile {number}",
        "status": "active",
        "birth_date": birth_date(int(row["age"]), number),
        "gender": gender,
        "seeking": _seeking(gender, row["orientation"]),
        "home": {"latitude": MARKET.latitude, "longitude": MARKET.longitude, "market": MARKET.key},
        "industries": industries,
        "crafts": crafts,
        "skills": _languages(row["speaks"]),
        "interests": _interests(row),
        "joined_at": f"{REFERENCE}T00:00:00Z",
    }


def _seeking(gender: str, orientation: str) -> list[str]:
    if orientation == "bisexual":
        return ["woman", "man"]
    return [gender if orientation == "gay" else OPPOSITE[gender]]


def _languages(speaks: str) -> list[str]:
    """All but the poorly spoken ones."""
    return [word.split(" (")[0] for word in speaks.split(", ") if word and "(poorly)" not in word]


def _interests(row: Mapping[str, str]) -> dict[str, float]:
    interests: dict[str, float] = {}
    for part in row["pets"].split(" and "):
        verb, _, animal = part.partition(" ")
        if verb in WEIGHTS:
            interests[animal] = WEIGHTS[verb]
    strictness, _, diet = row["diet"].rpartition(" ")
    if diet in DIETS:
        interests[diet] = WEIGHTS.get(strictness, 0.8)
    if "fun to think about" in row["sign"] or "matters a lot" in row["sign"]:
        interests["astrology"] = 1.0 if "matters a lot" in row["sign"] else 0.5
    return interests
