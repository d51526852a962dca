from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    """Staff pages in the admin."""

    name = "apps.console"
    verbose_name = "Console"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from apps.console.access.verified import signed_in
        from apps.console.roles import ensure_roles

        user_logged_in.connect(signed_in, dispatch_uid="confirmed_at")
        post_migrate.connect(ensure_roles, sender=self)
