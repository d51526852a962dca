from django.apps import AppConfig


class MembersConfig(AppConfig):
    """Who looks and who may be shown: profile, preferences, visibility, connections, erasure."""

    name = "apps.members"
    verbose_name = "Data"  # the part of the navigation it stands in
