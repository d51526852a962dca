from django.apps import AppConfig


class RefreshConfig(AppConfig):
    """Offline half: Postgres to arrays to snapshot to active."""

    name = "apps.refresh"
    verbose_name = "Refresh"
