"""Times as their reader lives them: written and typed in the time zone that is active (UTC unless a page sets
another one). Stored, sent and mailed they stay UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.utils import timezone

EPOCH = date(1970, 1, 1).toordinal()


class LocalTimeInvalid(ValueError):
    """What was typed is no one moment; says why in one sentence."""


def zone_of(name: str | None) -> tzinfo | None:
    """The zone of an IANA name; None for anything that is no such name."""
    return ZoneInfo(name) if name in _known() else None


def day_in(zone: str | None, at: float) -> int:
    """The date in a zone at a moment (s), as days since 1970-01-01; in UTC for anything that is no zone."""
    return datetime.fromtimestamp(at, zone_of(zone) or UTC).toordinal() - EPOCH


def zone_name() -> str:
    """The reader's zone, as "Europe/Paris"."""
    return timezone.get_current_timezone_name()


def written(at: datetime, *, with_seconds: bool = False) -> str:
    """A moment in words, as "24 Nov 2026 10:00"."""
    return f"{timezone.localtime(at):{'%d %b %Y %H:%M:%S' if with_seconds else '%d %b %Y %H:%M'}}"


def typed(at: datetime) -> str:
    """A moment as a field of a form holds it; seconds only where there are some."""
    local = timezone.localtime(at)
    return f"{local:{'%Y-%m-%dT%H:%M:%S' if local.second else '%Y-%m-%dT%H:%M'}}"


def parse_typed(text: str) -> datetime:
    """What was typed in the reader's zone, or with an offset of its own, in UTC. Raises LocalTimeInvalid."""
    try:
        found = datetime.fromisoformat(text)
        if found.utcoffset() is None:
            found = _in_zone(found)
        return found.astimezone(UTC)
    except LocalTimeInvalid:
        raise
    except (ValueError, OverflowError):
        raise LocalTimeInvalid("This is no date and time.") from None


def _in_zone(naive: datetime) -> datetime:
    """Fold 0 and 1 differ only where clocks are turned: forward, fold 0 is the later moment (PEP 495)."""
    first, second = (naive.replace(tzinfo=timezone.get_current_timezone(), fold=fold) for fold in (0, 1))
    if first.timestamp() > second.timestamp():
        raise LocalTimeInvalid(f"This hour is skipped on that day in {zone_name()}: clocks go forward.")
    if first.timestamp() < second.timestamp():
        raise LocalTimeInvalid(f"This hour comes twice on that day in {zone_name()}: take another one.")
    return first


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())
