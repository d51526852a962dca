"""The surfaces every installation starts with, and the one door through which markets come."""

from typing import Any

from apps.surfaces.models import Market, Surface

FIRST_SURFACES: dict[str, dict[str, str]] = {
    "dating": {"name": "Dating", "kind": "member", "eligibility": "dating", "positive_event": "like"},
    "networking": {
        "name": "Networking",
        "kind": "member",
        "eligibility": "networking",
        "positive_event": "like",
    },
    "travel": {"name": "Travel", "kind": "place", "eligibility": "travel", "positive_event": "save"},
}


def ensure_first_surfaces(**_: Any) -> None:
    """Adds the first surfaces where they are missing; leaves what staff changed. Runs after each migrate."""
    for key, values in FIRST_SURFACES.items():
        Surface.objects.get_or_create(key=key, defaults=values)


def ensure_market(
    key: str, name: str, latitude: float, longitude: float, *, country: str = "", timezone: str = "UTC"
) -> Market:
    """The market `key`, added when it is missing; leaves what staff changed. Raises ValidationError."""
    found = Market.objects.filter(key=key).first()
    if found is not None:
        return found
    values = {"name": name, "latitude": latitude, "longitude": longitude}
    Market(key=key, country=country, timezone=timezone, **values).full_clean(validate_unique=False)
    market, _ = Market.objects.get_or_create(
        key=key, defaults={**values, "country": country, "timezone": timezone}
    )
    return market
