"""Entries as rows for people: what each does, for whom, when, whose it is, and what it did.

Takes a content and a time, gives tables. Asks the database for switches, and for what was counted of late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.common.local_time import written
from apps.console.policies.cards import turned
from apps.console.rules.entries import Entry, Part
from apps.console.rules.widgets import words
from apps.delivery.recent import MEASURED, recent_of
from apps.interactions.models import RecentFigure
from apps.policies.conditions import in_words
from apps.policies.conflicts import SOON, flag_conflicts, rule_conflicts
from apps.policies.fields import moment, seconds
from apps.policies.rules import PACED
from apps.releases.selectors import switched_off

NOT_COUNTED = "not counted yet: a worker does so once a minute"


@dataclass(frozen=True)
class Row:
    """One entry."""

    name: str
    title: str
    tag: str
    sentence: str
    facts: list[tuple[str, str]]
    status: str
    colour: str
    switch: str  # its key for a switch; empty: none
    off: Any  # the switch that is on it, if any
    priority: int | None = None
    is_paced: bool = False


@dataclass(frozen=True)
class Table:
    """The entries of one surface, or of none."""

    surface: str  # under which an entry's address stands
    title: str
    rows: list[Row]
    remarks: list[Any]
    counted_at: datetime | None = None  # what they did; none: not counted


def rows_of(part: Part, content: Mapping[str, Any], at: datetime, *, measured: bool) -> list[Table]:
    """A table per surface for rules, else one. `measured`: with what each rule did of late."""
    surfaces = sorted(content["surfaces"])
    off = switched_off()
    names = {one["key"]: one["name"] for one in content.get("segments", [])}
    if not part.of_surface:
        rows = [_row(part, one, surfaces[0], content, at, off, names) for one in part.entries(content, "")]
        if measured and part.key == "flags":
            recents = [recent for surface in surfaces if (recent := recent_of(surface)) is not None]
            for row, flag in zip(rows, part.entries(content, ""), strict=True):
                row.facts.append((f"Measured, last {MEASURED.days} days", _switched(flag, recents)))
        remarks = flag_conflicts(content, at.timestamp()) if part.key == "flags" else []
        return [Table(surfaces[0], "", rows, remarks)]
    found = rule_conflicts(content, at.timestamp())
    tables = []
    for surface in surfaces:
        recent = recent_of(surface) if measured else None
        rows = []
        for one in part.entries(content, surface):
            row = _row(part, one, surface, content, at, off, names)
            if measured:
                row.facts.append((f"Measured, last {MEASURED.days} days", _measured(one, recent)))
            rows.append(row)
        remarks = [one for one in found if one.surface == surface]
        counted_at = recent.counted_at if recent else None
        tables.append(Table(surface, surface.capitalize(), rows, remarks, counted_at))
    return tables


def _measured(rule: Entry, recent: RecentFigure | None) -> str:
    """What a live rule did: among whom was ranked, and in the places that were shown; whom it kept away."""
    if recent is None:
        return NOT_COUNTED
    did = recent.effects.get(rule["id"])
    if did is None:
        return "nothing yet: no list met it"
    if rule["type"] == "cooldown":
        away, lists = did.get("kept_away", 0), did.get("cooled_lists", 0)
        return (
            f"kept {away:,} away from {_lists(lists)} who could have been shown again"
            if away
            else "nobody yet"
        )
    shown = did["shown"] / max(did["places"], 1)
    said = (
        f"in {_lists(did['deliveries'])} it met {did['touched'] / max(did['ranked'], 1):.1%} of who was "
        f"ranked there and {shown:.1%} of their places ({did['shown']:,} of {did['places']:,})"
    )
    if rule["type"] in PACED:
        said += "; over all lists the pacer counts: see How it is paced"
    if "standing" in did:
        said += f"; {did['standing']:,} stand at it now and are left out until their count falls"
    return said


def _switched(flag: Entry, recents: list[RecentFigure]) -> str:
    """In how many of the latest lists a live flag was on."""
    if not flag["overrides"]:
        return "the app reads it; no list depends on it"
    if not recents:
        return NOT_COUNTED
    did = [recent.flags[flag["key"]] for recent in recents if flag["key"] in recent.flags]
    lists = sum(one["lists"] for one in did)
    if not lists:
        return "nothing yet: no list asked for it"
    on = sum(one["on"] for one in did)
    return f"on in {on:,} of the latest {_lists(lists)} ({on / lists:.1%})"


def _lists(count: int) -> str:
    return "1 list" if count == 1 else f"{count:,} lists"


def _row(
    part: Part,
    entry: Entry,
    surface: str,
    content: Mapping[str, Any],
    at: datetime,
    off: Mapping[str, Any],
    names: Mapping[str, str],
) -> Row:
    key = part.switch_key(surface, entry[part.name]) if part.switch else ""
    switch = off.get(f"{part.switch}:{key}") if key else None
    status, colour = ("switched off", "bad") if switch else _status(entry, at)
    kind = content["surfaces"][surface]["kind"]
    said = {"rules": _rule, "segments": _segment, "flags": _flag, "experiments": _experiment}[part.key]
    tag, sentence, facts = said(entry, kind, names)
    if part.key == "segments":
        facts = [*facts, ("Used by", ", ".join(_users(content, entry["key"])) or "nothing yet")]
    if "starts_at" in entry:
        runs = " to ".join(written(moment(entry[name])) for name in ("starts_at", "ends_at"))
        facts = [*facts, ("Owner", entry["owner"]), ("Runs", runs)]
    else:
        facts = [*facts, ("Owner", entry["owner"])]
    facts.append(("Why", entry["reason"]))
    given = (tag, sentence, facts, status, colour, key, switch)
    is_paced = entry.get("type") in PACED
    return Row(entry[part.name], entry["name"], *given, priority=entry.get("priority"), is_paced=is_paced)


def _status(entry: Entry, at: datetime) -> tuple[str, str]:
    if "starts_at" not in entry:
        return "", ""
    now, start, end = at.timestamp(), seconds(entry["starts_at"]), seconds(entry["ends_at"])
    if now >= end:
        return "ended", ""
    if now < start:
        return f"begins in {span(start - now)}", "info"
    return f"ends in {span(end - now)}", "warn" if end - now < SOON else "good"


def span(left: float) -> str:
    """Seconds in words."""
    if left >= 2 * 86_400:
        return f"{int(left // 86_400)} days"
    if left < 120:
        return "a minute" if left >= 60 else "less than a minute"
    return f"{int(left // 3600)} hours" if left >= 7200 else f"{int(left // 60)} minutes"


def _rule(rule: Entry, kind: str, names: Mapping[str, str]) -> tuple[str, str, list[tuple[str, str]]]:
    effect = rule["effect"]
    facts = [("For", in_words(rule["viewers"], "member", names))]
    if rule["type"] != "pin":
        facts.append(("On", in_words(rule["candidates"], kind, names)))
    if rule["type"] in PACED:
        facts.append(("Note", "Held by the pacer: once a minute it moves these candidates a little."))
    said = _effect(rule["type"], effect)
    return rule["type"].replace("_", " "), said[0].upper() + said[1:], facts


def _effect(rule_type: str, effect: Mapping[str, Any]) -> str:
    if "factor" in effect:
        return f"score × {effect['factor']:g}"
    if "slots" in effect:
        return f"slots {', '.join(map(str, effect['slots']))}"
    if rule_type == "pin":
        count = len(effect["candidates"])
        return f"{count} pinned from place {effect['position']}"
    if rule_type == "cap":
        limits = [(effect["daily"], "a day"), (effect["hourly"], "an hour")]
        return (
            "at most " + " and ".join(f"{n:,} {per}" for n, per in limits if n)
            if any(n for n, _ in limits)
            else "no limit"
        )
    if rule_type == "cooldown":
        return f"away for {effect['days']} days from a viewer who saw them"
    if rule_type == "floor":
        return f"at least {effect['daily']:,} a day each, ±{effect['tolerance']:.0%}"
    share = f"{effect['share']:.0%}"
    if rule_type == "share_target":
        return f"{share} of all places, ±{effect['tolerance']:.0%}"
    return f"at {'least' if rule_type == 'boost' else 'most'} {share} of the list"


def _segment(one: Entry, _: str, names: Mapping[str, str]) -> tuple[str, str, list[tuple[str, str]]]:
    return f"of {one['of']}s", in_words(one["condition"], one["of"], names), []


def _flag(one: Entry, _: str, names: Mapping[str, str]) -> tuple[str, str, list[tuple[str, str]]]:
    inside = [names.get(key, key) for key in one["segments"]]
    facts = [("In", " or ".join(inside) if inside else "everybody")]
    if one["allow"]:
        facts.append(("Always on for", f"{len(one['allow'])} members"))
    if one["overrides"]:
        facts.append((f"On {one['surface']}", turned(one["overrides"])))
    facts.append(("Value", f"{words(one['on'])} when on, {words(one['off'])} when off"))
    return one["type"], f"On for {one['percentage']:g}%", facts


def _experiment(one: Entry, _: str, names: Mapping[str, str]) -> tuple[str, str, list[tuple[str, str]]]:
    variants = "; ".join(
        f"{variant['name']} {variant['weight']:.0%} ({turned(variant['overrides']) or 'changes nothing'})"
        for variant in one["variants"]
    )
    low, high = one["layer_range"]
    facts = [
        ("Variants", variants),
        ("Audience", in_words(one["audience"], "member", names)),
        ("Layer", f"{one['layer']}, {low:g} to {high:g}, coverage {one['coverage']:.0%}"),
        ("Dealt by", one["unit"]),
    ]
    return one["surface"], one["hypothesis"], facts


def _users(content: Mapping[str, Any], key: str) -> list[str]:
    from apps.policies.conditions import segments_in

    found = [
        f"rule {rule['name']}"
        for policy in content["surfaces"].values()
        for rule in policy.get("rules", [])
        if key in segments_in(rule["viewers"]) | segments_in(rule["candidates"])
    ]
    found += [f"flag {one['name']}" for one in content.get("flags", []) if key in one["segments"]]
    found += [
        f"segment {one['name']}"
        for one in content.get("segments", [])
        if key in segments_in(one["condition"])
    ]
    found += [
        f"experiment {one['name']}"
        for one in content.get("experiments", [])
        if key in segments_in(one["audience"])
    ]
    return found
