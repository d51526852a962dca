"""How values look on the console's pages: numbers, times, lists, nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.common.local_time import typed, written, zone_name
from apps.console.drafts import state
from apps.console.policies.cards import turned as turned_words
from apps.console.rules.entries import PARTS

register = template.Library()


@register.filter
def shown(value: Any) -> Any:
    """A value as staff read it: a dash for nothing, commas in big numbers, times in the
    reader's zone."""
    if value is None or value == "" or value == [] or value == {}:
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, SafeString):
        return value
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        utc = f"{zone_name()}; {value.astimezone(UTC):%d %b %Y %H:%M} UTC"
        return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), utc, written(value))
    if isinstance(value, Mapping):
        return format_html_join(", ", "{} {}", ((k, shown(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return format_html_join(", ", "{}", ((shown(v),) for v in value))
    return value


@register.filter
def in_field(at: datetime) -> str:
    """A time as a field of a form holds it, in the reader's zone."""
    return typed(at)


@register.filter
def turned(overrides: Mapping[str, Any]) -> str:
    """Knobs and their values in words."""
    return turned_words(overrides)


@register.inclusion_tag("console/draft_tabs.html")
def draft_tabs(draft: Any, current: str) -> dict[str, Any]:
    """The way between the parts of a draft: surfaces, rules and the like, governance."""
    return {
        "draft": draft,
        "current": current,
        "surfaces": sorted(draft.content["surfaces"]),
        "parts": PARTS.values(),
    }


@register.filter
def status_mark(draft: Any) -> SafeString:
    """How far a draft is."""
    colour = state.COLOURS.get(draft.status, "")
    return format_html('<span class="rc-mark {}">{}</span>', colour, draft.get_status_display().lower())


@register.filter
def by_saving(draft: Any) -> str:
    """What saving takes back."""
    return state.by_saving(draft)


@register.filter
def spaced(name: str) -> str:
    """A code or a field's name as words."""
    return name.replace("_", " ").replace(".", " ")


@register.filter
def is_long(value: Any) -> bool:
    """Whether a fact wants the whole width."""
    return isinstance(value, str) and len(value) > 60


@register.filter
def is_wide(value: Any) -> bool:
    """Whether a fact wants the place of two, so that it stays on one line."""
    return isinstance(value, str) and 32 < len(value) <= 60


@register.simple_tag
def emergency_banner() -> SafeString | str:
    """Names the releases that one person published alone and nobody has reviewed; else nothing."""
    from apps.releases.selectors import unreviewed_emergencies

    numbers = [one.release_id for one in unreviewed_emergencies()]
    if not numbers:
        return ""
    return format_html(
        '<section class="rc-card rc-banner" role="note"><p><strong>Release {} was published in an emergency, '
        'by one person.</strong> Somebody else must <a href="{}">review it</a>.</p></section>',
        ", ".join(map(str, numbers)),
        reverse("admin:releases"),
    )


@register.simple_tag
def reader_zone() -> str:
    """The time zone in which this page writes and reads times."""
    return zone_name()


@register.simple_tag
def mark(text: str, colour: str = "") -> SafeString:
    """A small coloured word."""
    return format_html('<span class="rc-mark {}">{}</span>', colour, text)
