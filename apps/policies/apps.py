from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """What can be tuned: knobs, their bounds, units and sentences."""

    name = "apps.policies"
    verbose_name = "Policies"
