"""Surfaces and markets as small look-ups."""

from apps.common.bodies import Location
from apps.common.errors import Unprocessable
from apps.common.geo import distance_km
from apps.common.prepared import rows_of
from apps.surfaces.models import Market, Surface


def active_surfaces() -> dict[str, Surface]:
    """Active surfaces by key."""
    return {surface.key: surface for surface in Surface.objects.filter(is_active=True)}


def kinds_of_active_surfaces() -> dict[str, str]:
    """What each active surface shows, by its key."""
    return dict(rows_of("SELECT key, kind FROM surfaces_surface WHERE is_active"))


def markets_by_key() -> dict[str, Market]:
    """All markets by key."""
    return {market.key: market for market in Market.objects.all()}


NEAR_KM = 100.0


class Whereabouts:
    """Finds the market of a location: the one it names, else the nearest within 100 km."""

    def __init__(self) -> None:
        self.markets = markets_by_key()

    def market_of(self, location: Location) -> Market | None:
        """None: none is near. Raises Problem `unknown_market`."""
        if location.market is not None:
            return self.named(location.market)
        here = (location.latitude, location.longitude)
        near = [(distance_km(here, (m.latitude, m.longitude)), m.key) for m in self.markets.values()]
        distance, key = min(near, default=(float("inf"), ""))
        return self.markets[key] if distance <= NEAR_KM else None

    def named(self, key: str) -> Market:
        """Raises Problem `unknown_market`."""
        if key not in self.markets:
            raise Unprocessable("There is no such market.", code="unknown_market", field="market")
        return self.markets[key]
