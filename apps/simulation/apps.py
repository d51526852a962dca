from django.apps import AppConfig


class SimulationConfig(AppConfig):
    """A synthetic market with known truth."""

    name = "apps.simulation"
    verbose_name = "Simulation"
