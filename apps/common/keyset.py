"""Pages by key instead of by offset, and counts by estimate: what a list of millions can afford.

Takes the admin's request (`after` or `before` name the key of a row); gives one page in one query. It never
counts a large table.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.http import urlencode
from unfold.views import ChangeList

EXACT_UP_TO = 10_000


class KeysetPages:
    """What the template draws below the list. Stands where Django wants a paginator."""

    template_name = "console/keyset.html"

    def __init__(self, previous: str, following: str, count: str) -> None:
        self.previous, self.following, self.text = previous, following, count
        self.count, self.num_pages = 0, 1


class KeysetChangeList(ChangeList):
    """A change list ordered by the model admin's `keyset`."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        kept: dict[str, Any] = super().get_filters_params(params)
        for name in ("after", "before"):
            kept.pop(name, None)
        return kept

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        return list(self.model_admin.keyset)

    def get_results(self, request: HttpRequest) -> None:
        size = self.list_per_page
        backwards = "before" in request.GET
        key = self._key_of(request.GET.get("before" if backwards else "after", ""))
        rows = self._rows(key, backwards=backwards and key is not None, size=size + 1)
        more, rows = len(rows) > size, rows[:size]
        if backwards and key is not None:
            rows.reverse()
        first = key is None or (backwards and not more)
        last = not more and not (backwards and key is not None)
        self.model_admin.attach(rows)
        self.result_list = rows
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.show_admin_actions = False
        self.show_all = self.can_show_all = self.multi_page = False
        self.paginator = KeysetPages(
            "" if first or not rows else self._link("before", rows[0]),
            "" if last or not rows else self._link("after", rows[-1]),
            f"{estimate(self.model)} in all" if self._is_everything() else "",
        )

    def _is_everything(self) -> bool:
        return self.model_admin.shows_everything and not (self.query or self.has_active_filters)

    def _rows(self, key: list[Any] | None, *, backwards: bool, size: int) -> list[Model]:
        queryset = self.queryset
        order = list(self.model_admin.keyset)
        if backwards:
            order = [name[1:] if name.startswith("-") else f"-{name}" for name in order]
        if key is not None:
            queryset = queryset.filter(_beyond(order, key))
        try:
            return list(queryset.order_by(*order)[:size])
        except (ValueError, ValidationError):  # a key that is none
            return []

    def _key_of(self, token: str) -> list[Any] | None:
        """The key that a link carries; None for one that nobody made here."""
        try:
            values = json.loads(token)
            key = [
                self._field(name).to_python(value)
                for name, value in zip(self.model_admin.keyset, values, strict=True)
            ]
        except (ValueError, TypeError, ValidationError):
            return None
        return None if None in key else key

    def _field(self, name: str) -> Any:
        return self.model._meta.get_field(name.lstrip("-"))

    def _link(self, direction: str, row: Any) -> str:
        key = [getattr(row, name.lstrip("-")) for name in self.model_admin.keyset]
        kept = {name: value for name, value in self.params.items() if name not in ("after", "before")}
        return "?" + urlencode({**kept, direction: json.dumps([_plain(value) for value in key])}, doseq=True)


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if isinstance(value, int) else str(value)


def _beyond(order: list[str], key: list[Any]) -> Q:
    """Rows after `key` in this order: (a, b) > (x, y), with a bound on `a` alone for its index."""
    name, descending = order[0].lstrip("-"), order[0].startswith("-")
    if len(order) == 1:
        return Q(**{f"{name}__{'lt' if descending else 'gt'}": key[0]})
    further = "lt" if descending else "gt"
    bound = Q(**{f"{name}__{further}e": key[0]})
    return bound & (Q(**{f"{name}__{further}": key[0]}) | _beyond(order[1:], key[1:]))


def estimate(model: type[Model]) -> str:
    """How many rows: exact while small, else what Postgres last estimated, over all partitions."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(greatest(reltuples, 0)), 0) FROM pg_class WHERE oid = %s::regclass "
            "OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %s::regclass)",
            [table, table],
        )
        about = int(cursor.fetchone()[0])
        if about > EXACT_UP_TO:
            return f"about {about:,}"
        cursor.execute(f'SELECT count(*) FROM (SELECT 1 FROM "{table}" LIMIT {EXACT_UP_TO + 1}) AS few')
        count = int(cursor.fetchone()[0])
    return f"more than {EXACT_UP_TO:,}" if count > EXACT_UP_TO else f"{count:,}"
