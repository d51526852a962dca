from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Clock, errors, geography, the change feed. Kept small."""

    name = "apps.common"
    verbose_name = "Common"
