"""Reason codes in plain words that give away nothing private: only what both sides show each other anyway."""

from __future__ import annotations

from calendar import month_name
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache


def _trip(argument: str) -> str:
    """As in: For your trip to Rome, 5 to 9 December 2026."""
    town, *days = argument.rsplit("|", 2)
    first, last = (date(int(day[:4]), int(day[4:6]), int(day[6:])) for day in days)
    until = f"{last.day} {month_name[last.month]} {last.year}"
    if first == last:
        return f"For your trip to {town}, {until}"
    since = f"{first.day}"
    if (first.year, first.month) != (last.year, last.month):
        since += f" {month_name[first.month]}"
    if first.year != last.year:
        since += f" {first.year}"
    return f"For your trip to {town}, {since} to {until}"


SENTENCES: Mapping[str, Callable[[str], str]] = {
    "same_industry": lambda industry: f"You both work in {industry}",
    "shared_interest": lambda interest: f"You share an interest: {interest}",
    "shared_skill": lambda skill: f"You share a skill: {skill}",
    "complementary_crafts": lambda craft: f"Works in {craft}, which goes well with what you do",
    "mutual_connections": lambda n: "1 mutual connection" if n == "1" else f"{n} mutual connections",
    "distance": lambda km: f"Within {km} km",
    "newcomer": lambda _: "New here",
    "trip": _trip,
    "curated": lambda _: "On a curated list",
    "in_season": lambda _: "In its best season",
    "category": lambda category: f"Category: {category}",
    "friends_saved": lambda n: f"{n} of your connections saved it",
    "nearby": lambda km: f"Within {km} km",
    "taste": lambda _: "Fits what you like",
}

EXPLANATIONS: Mapping[str, str] = {
    "shown": "Would be in the list.",
    "unknown": "Neither in the snapshot nor a newcomer: not active, hidden, or changed just now.",
    "not_proposed": "Eligible, but no source proposed them within its quota.",
    "no_room": "Eligible and proposed, but the sources propose more than there is room for.",
    "below_the_list": "Eligible and ranked, but below the end of the list.",
    "lost_to_diversity": "High enough by score, but too like others of the list: diversity moved them down.",
    "lost_to_windows": "High enough by score, but a window of places lets no more of their kind in.",
    "lost_to_placements": "High enough by score, but rules gave their place away: slots, shares or pins.",
    "lost_to_likes": "High enough by score, but their place went to somebody who liked the viewer.",
    "lost_to_exploration": "High enough by score, but exploration gave their place away by lot.",
    "lost_to_trips": "High enough where they are, but places of a coming trip stand higher.",
    "not_drawn": "The viewer is in the hold-out, whose lists are drawn by lot: this draw left them out.",
    "viewer_not_eligible": "The viewer may not be given lists now.",
    "not_told": "Not shown, for a reason that is one side's secret.",
    "capped": "Was shown as often as an exposure cap allows for now.",
}


def in_words(reasons: Iterable[Sequence[str]]) -> list[str]:
    """Sentences for (code, argument) pairs; a code that has no words is left out."""
    return list(_sentences(tuple(map(tuple, reasons))))


@lru_cache(maxsize=4096)
def _sentences(reasons: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(SENTENCES[code](argument) for code, argument in reasons if code in SENTENCES)
