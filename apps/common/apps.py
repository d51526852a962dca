from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Clock, errors, geography, the change feed. Kept small."""

    name = "apps.common"
    verbose_name = "Inspect"  # the part of the navigation it stands in
