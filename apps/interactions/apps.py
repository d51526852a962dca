from django.apps import AppConfig


class InteractionsConfig(AppConfig):
    """What happened: events, deliveries, relationships, and the online state derived from them."""

    name = "apps.interactions"
    verbose_name = "Inspect"  # the part of the navigation it stands in
