"""Surfaces and markets: short lists that approvers edit directly."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.surfaces.models import Market, Surface


@admin.register(Surface)
class SurfaceAdmin(ModelAdmin):
    list_display = ("name", "key", "kind", "eligibility", "positive_event", "is_active")
    compressed_fields = True

    def get_readonly_fields(self, request: HttpRequest, obj: Surface | None = None) -> tuple[str, ...]:
        """A surface in use keeps its key and kind: events and deliveries name them."""
        return ("key", "kind") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Surface | None = None) -> bool:
        return False


@admin.register(Market)
class MarketAdmin(ModelAdmin):
    list_display = ("name", "key", "country", "timezone")
    search_fields = ("name__startswith", "key__startswith")
    search_help_text = "Start of a name or key"
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Market | None = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Market | None = None) -> bool:
        return False
