"""The minimum shares of sources: all together at most 1, in every surface, market, flag and variant.

Takes a content whose values are all within their bounds; notes what it refuses, by path. Where several flags
and variants of one viewer ask for more together, the pipeline serves sources in the order of their line-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

GROUP = "source_shares"
MOST = 1.0 + 1e-9  # shares have four decimals


def refuse_shares(content: Mapping[str, Any], noted: dict[str, str]) -> None:
    """Notes every place where they add up to more, at the largest share that is said there."""
    for surface, policy in content["surfaces"].items():
        base = policy[GROUP]
        _refuse(surface, f"{surface}.{GROUP}.", base, base, noted)
        for path, overrides in _turned(surface, policy, content):
            said = _shares_in(overrides)
            if said:
                _refuse(surface, f"{path}.{GROUP}.", {**base, **said}, said, noted)


def _turned(
    surface: str, policy: Mapping[str, Any], content: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The path of whatever turns knobs of this surface, and what it turns."""
    for market, overrides in policy["markets"].items():
        yield f"{surface}.markets.{market}", overrides
        for path, more in _dealt(surface, content):
            if _shares_in(overrides) and _shares_in(more):
                yield path, {**overrides, **more}
    yield from _dealt(surface, content)


def _dealt(surface: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for i, flag in enumerate(content["flags"]):
        if flag["surface"] == surface:
            yield f"flags.{i}.overrides", flag["overrides"]
    for i, one in enumerate(content["experiments"]):
        for j, variant in enumerate(one["variants"] if one["surface"] == surface else ()):
            yield f"experiments.{i}.variants.{j}.overrides", variant["overrides"]


def _shares_in(overrides: Mapping[str, Any]) -> dict[str, float]:
    start = f"{GROUP}."
    return {path.removeprefix(start): share for path, share in overrides.items() if path.startswith(start)}


def _refuse(
    surface: str, path: str, shares: Mapping[str, float], said: Mapping[str, float], noted: dict[str, str]
) -> None:
    total = sum(shares.values())
    if total > MOST:
        largest = max(said, key=lambda name: (said[name], name))
        noted.setdefault(
            f"{path}{largest}",
            f"The minimum shares of {surface} add up to {total:.6g} here; together they may be at most 1.",
        )
