"""Contents from before rules and flags were lists: a surface had "pins" and one "flag".

Gives what they said as rules and flags. They had no dates; whoever asks says from when to when they now hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ALWAYS = ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z")  # a published release goes on meaning what it meant
OWNED = {"owner": "carried over", "reason": "Stood in a release from before rules had reasons"}


def is_older(content: Mapping[str, Any]) -> bool:
    return any(policy.get("pins") or policy.get("flag") for policy in content.get("surfaces", {}).values())


def brought_up(content: Mapping[str, Any], dates: tuple[str, str] = ALWAYS) -> Mapping[str, Any]:
    """The content with its old pins as rules and its old flags as flags; itself when it has none."""
    if not is_older(content):
        return content
    surfaces: dict[str, Any] = {}
    flags: dict[str, Any] = {flag["key"]: flag for flag in content.get("flags", [])}
    for key, old in content["surfaces"].items():
        policy = {name: value for name, value in old.items() if name not in ("pins", "flag")}
        if old.get("pins"):
            policy["rules"] = [*policy.get("rules", []), _pins(old["pins"], dates)]
        if old.get("flag"):
            name = (
                old["flag"]["key"] if old["flag"]["key"] not in flags else f"{key[:15]}-{old['flag']['key']}"
            )
            flags[name[:32]] = _flag(name[:32], key, old["flag"], dates)
        surfaces[key] = policy
    return {**content, "surfaces": surfaces, "flags": list(flags.values())}


def _pins(numbers: list[int], dates: tuple[str, str]) -> dict[str, Any]:
    return {
        "id": "pins", "name": "Pins", "type": "pin", "viewers": None, "candidates": None,
        "effect": {"candidates": list(numbers), "position": 1}, "priority": 100,
        "starts_at": dates[0], "ends_at": dates[1], **OWNED,
    }  # fmt: skip


def _flag(key: str, surface: str, old: Mapping[str, Any], dates: tuple[str, str]) -> dict[str, Any]:
    return {
        "key": key, "name": key, "type": "boolean", "on": True, "off": False,
        "percentage": old["percentage"], "salt": old["salt"], "segments": [], "allow": [],
        "surface": surface, "overrides": dict(old["overrides"]), "priority": 100,
        "starts_at": dates[0], "ends_at": dates[1], **OWNED,
    }  # fmt: skip
