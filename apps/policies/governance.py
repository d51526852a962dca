"""How carefully we publish: what one person may do alone, and when a staged rollout turns back by itself.

Knobs like those of a surface, for all surfaces together. Lowering any of these guards, or a cap, always needs
a second person, judged by what is live.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apps.policies.fields import Refusals
from apps.policies.knobs import Kind, Knob
from apps.policies.segments import with_segments_put_in

CAPPING = {"cap": "cap", "cooldown": "cool-down"}  # types of rules that protect members
CAPS = {"daily_cap": "The daily cap", "hourly_cap": "The hourly cap"}


def _guard(key: str, label: str, sentence: str, default: float, maximum: float, unit: str = "") -> Knob:
    whole = maximum > 1
    return Knob(
        key, Kind.WHOLE if whole else Kind.NUMBER, label, sentence, "Governance", default, default, 0,
        maximum, 1 if whole else 0.001, unit,
    )  # fmt: skip


GUARDS: Mapping[str, Knob] = {
    knob.key: knob
    for knob in (
        _guard(
            "small_reach", "Small change",
            "A draft that can touch at most this share of the viewers' lists needs no second person. "
            "0: every draft does.",
            0.0, 0.2,
        ),
        _guard(
            "max_error_rate", "Errors",
            "A staged release goes back by itself when more than this share of its requests fail.",
            0.01, 0.5,
        ),
        _guard(
            "max_fill_drop", "Fill",
            "... or when its lists are emptier than the stable release's by more than this share.",
            0.1, 1.0,
        ),
        _guard(
            "max_p99_ms", "Slowness",
            "... or when more than one answer in a hundred takes longer than this.",
            250, 5000, "ms",
        ),
    )
}  # fmt: skip


def default_governance() -> dict[str, Any]:
    return {key: knob.normalise(knob.default) for key, knob in GUARDS.items()}


def check_governance(value: Any, noted: dict[str, str]) -> dict[str, Any]:
    """Every guard in one spelling; one that is not said stands at its default."""
    refusals = Refusals(noted, "governance")
    if not isinstance(value, Mapping):
        refusals.add("", "Must be an object.")
        return {}
    for key in sorted(map(str, set(value) - set(GUARDS))):
        refusals.add(key[:40], "There is no such guard.")
    given = default_governance() | {key: value[key] for key in GUARDS if key in value}
    for key, knob in GUARDS.items():
        if (refusal := knob.refusal(given[key])) is not None:
            refusals.add(key, refusal)
    return {} if refusals.any else {key: knob.normalise(given[key]) for key, knob in GUARDS.items()}


def lowers_a_guard(live: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What `new` protects less than the live content does, as sentences; empty: nothing."""
    live, new = with_segments_put_in(live), with_segments_put_in(new)
    found = [
        f"{knob.label} of governance is raised."
        for key, knob in GUARDS.items()
        if new.get("governance", {}).get(key, knob.default)
        > live.get("governance", {}).get(key, knob.default)
    ]
    for surface, before in live["surfaces"].items():
        after = new["surfaces"].get(surface)
        if after is not None:
            found += [f"{surface}: {sentence}" for sentence in _lower_caps(before, after)]
    return [*found, *_overridden(live, new)]


def _lower_caps(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = []
    for key, label in CAPS.items():
        if _looser(before.get(key, 0), after.get(key, 0)):
            found.append(f"{label} is raised or taken away.")
        for market in sorted({*before.get("markets", {}), *after.get("markets", {})}):
            was, now = (
                policy.get("markets", {}).get(market, {}).get(key, policy.get(key, 0))
                for policy in (before, after)
            )
            if _looser(was, now):
                found.append(f"{label} is raised or taken away in {market}.")
    kept = {(rule["type"], rule["id"]): rule for rule in after.get("rules", [])}
    for rule in before.get("rules", []):
        word = CAPPING.get(rule["type"])
        if word is not None and _weaker(rule, kept.get((rule["type"], rule["id"]))):
            found.append(f"The {word} {rule['name']} is weakened or taken away.")
    return found


def _overridden(live: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Flags and variants that newly let some viewers go past a cap of the surface, or of a market; and those
    that are gone, or others now, under which some had a lower one."""
    before, after = list(_overrides(live)), list(_overrides(new))
    raised = [
        f"{name} raises or takes away {CAPS[key].lower()} of {surface} for some viewers."
        for surface, name, key, value, entry in after
        if _looser(_tightest(live["surfaces"].get(surface, {}), key), value)
        and (surface, name, key, value, entry) not in before
    ]
    return raised + [
        f"{name} lowers {CAPS[key].lower()} of {surface} for some viewers, and does so no more."
        for surface, name, key, value, entry in before
        if _looser(value, new["surfaces"].get(surface, {}).get(key, 0))
        and (surface, name, key, value, entry) not in after
    ]


def _tightest(policy: Mapping[str, Any], key: str) -> Any:
    """A surface's cap, or that of a market where it is lower; 0: nobody has one."""
    caps = [policy.get(key, 0), *(said.get(key, 0) for said in policy.get("markets", {}).values())]
    return min((cap for cap in caps if cap), default=0)


def _overrides(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any, Any]]:
    for entry in [*content.get("flags", []), *content.get("experiments", [])]:
        for part in entry.get("variants", [entry]):
            for key in CAPS:
                if key in part["overrides"]:
                    yield entry["surface"], entry["name"], key, part["overrides"][key], entry


def _weaker(rule: Mapping[str, Any], later: Mapping[str, Any] | None) -> bool:
    if later is None or any(rule[name] != later[name] for name in ("viewers", "candidates")):
        return True
    shorter = later["ends_at"] < rule["ends_at"] or later["starts_at"] > rule["starts_at"]
    if rule["type"] == "cooldown":
        return shorter or bool(later["effect"]["days"] < rule["effect"]["days"])
    return shorter or any(
        _looser(rule["effect"][name], later["effect"][name]) for name in ("daily", "hourly")
    )


def _looser(before: Any, after: Any) -> bool:
    """0 means no cap."""
    return bool(before) and (not after or after > before)
