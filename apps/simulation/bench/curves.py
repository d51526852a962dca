"""What grows in `manage.py bench growth`, through which values, and how its figures are named. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PER_MARKET = 50_000


@dataclass(frozen=True)
class Case:
    """One point: what the list is made of. By default the workload's."""

    market: int = PER_MARKET  # members in the viewer's market
    markets: int = 1  # of that size
    limit: int = 20
    seen: int = 500  # people who are kept from the viewer, and as many more who were seen some time ago
    rules: int = 100

    @property
    def members(self) -> int:
        return self.market * self.markets


# Each curve by a field of Case, or by `members`, which grows by markets of the workload's size.
CURVES: Mapping[str, tuple[int, ...]] = {
    "market": (5_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000),
    "members": (50_000, 100_000, 200_000, 500_000, 1_000_000),
    "limit": (5, 10, 20, 50, 100),
    "seen": (0, 100, 500, 1_000, 2_000, 5_000),
    "rules": (0, 25, 50, 100, 200),
}


def name_of(curve: str, value: int) -> str:
    """The figure of one point."""
    return f"growth_{curve}_{value}_ms"
