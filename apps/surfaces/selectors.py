"""Surfaces and markets as small look-ups."""

from apps.surfaces.models import Market, Surface


def active_surfaces() -> dict[str, Surface]:
    """Active surfaces by key."""
    return {surface.key: surface for surface in Surface.objects.filter(is_active=True)}


def markets_by_key() -> dict[str, Market]:
    """All markets by key."""
    return {market.key: market for market in Market.objects.all()}
