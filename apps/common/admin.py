"""The audit trail: who changed what, read-only."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.common.local_time import written
from apps.common.models import AuditEntry
from apps.common.staff import Grid, Heading, LargeInspectAdmin, Section


class KindFilter(admin.SimpleListFilter):
    """What people did; or also every row that changed underneath."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("row", "Rows that changed"), ("all", "Both")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        if self.value() == "all":
            return queryset
        return queryset.filter(kind=self.value() or AuditEntry.Kind.ACT)

    def choices(self, changelist: Any) -> Any:
        """The first one is what people did, not everything."""
        found = list(super().choices(changelist))
        found[0]["display"] = "What people did"
        return found


@admin.register(AuditEntry)
class AuditEntryAdmin(LargeInspectAdmin):
    keyset = ("-at", "-id")
    shows_everything = False  # what people did, unless the filter asks for more
    list_display = ("when", "who", "what", "subject")
    list_filter = (KindFilter,)
    search_fields = ("subject",)
    search_help_text = "Start of an action, a subject or a name"

    def find(self, queryset: QuerySet[AuditEntry], term: str) -> QuerySet[AuditEntry]:
        action = term.lower().replace(" ", ".", 1).replace(" ", "_")  # as the column says it
        return queryset.filter(
            Q(subject__startswith=term) | Q(action__startswith=action) | Q(actor_name__startswith=term)
        )

    @display(description="When")
    def when(self, obj: AuditEntry) -> str:
        return written(obj.at, with_seconds=True)

    @display(description="Who")
    def who(self, obj: AuditEntry) -> str:
        return obj.actor_name or "system"

    @display(description="What")
    def what(self, obj: AuditEntry) -> str:
        return _in_words(obj.action)

    def heading(self, request: HttpRequest, obj: AuditEntry) -> Heading:
        at = written(obj.at, with_seconds=True)
        return Heading(_in_words(obj.action), f"{obj.subject}, by {obj.actor_name or 'system'}, {at}")

    def sections(self, request: HttpRequest, obj: AuditEntry) -> list[Section]:
        before, after = _flat(obj.before), _flat(obj.after)
        rows = [(key, before.get(key), after.get(key)) for key in sorted({*before, *after})]
        return [
            Section("What changed", grid=Grid(("Field", "Before", "After"), rows, "No values were recorded."))
        ]


def _in_words(action: str) -> str:
    """`member.looked_at` as "Member looked at"."""
    return action.replace(".", " ", 1).replace("_", " ").capitalize()


def _flat(values: Any) -> dict[str, str | datetime]:
    if not isinstance(values, dict):
        return {"value": json.dumps(values)} if values is not None else {}
    return {
        key: _read(value) if isinstance(value, str) else json.dumps(value) for key, value in values.items()
    }


def _read(text: str) -> str | datetime:
    """A moment with its offset as one, so that it is shown in the reader's zone; any other text as it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if found.utcoffset() is None else found
