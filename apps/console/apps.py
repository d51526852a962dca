from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Staff pages in the admin."""

    name = "apps.console"
    verbose_name = "Console"
