"""Makes the project's own admin site the default one."""

from django.contrib.admin.apps import AdminConfig


class RayaAdminConfig(AdminConfig):
    """The admin, on the console's site."""

    default_site = "apps.console.site.ConsoleSite"
