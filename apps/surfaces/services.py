"""The surfaces every installation starts with."""

from typing import Any

from apps.surfaces.models import Surface

FIRST_SURFACES: dict[str, dict[str, str]] = {
    "dating": {"name": "Dating", "kind": "member", "eligibility": "dating", "positive_event": "like"},
    "networking": {"name": "Networking", "kind": "member", "eligibility": "networking", "positive_event": "like"},
    "travel": {"name": "Travel", "kind": "place", "eligibility": "travel", "positive_event": "save"},
}


def ensure_first_surfaces(**_: Any) -> None:
    """Adds the first surfaces where they are missing; leaves what staff changed. Runs after each migrate."""
    for key, values in FIRST_SURFACES.items():
        Surface.objects.get_or_create(key=key, defaults=values)
