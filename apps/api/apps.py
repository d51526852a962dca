from django.apps import AppConfig


class ApiConfig(AppConfig):
    """REST v1."""

    name = "apps.api"
    verbose_name = "API"
