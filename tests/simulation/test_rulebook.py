"""The benchmark's rules are rules that a release may hold."""

from apps.policies.schema import default_content
from apps.releases.params import compiled
from apps.simulation.bench.rulebook import with_rules


def test_a_hundred_rules_twenty_flags_and_five_experiments_are_valid_and_compile() -> None:
    content = with_rules(default_content(), "dating", rules=100, flags=20, experiments=5)
    surface = compiled(content).surface("dating")
    assert len(surface.rules.specs) == 100
    assert len(surface.dealer.choices) == 1 + 20 + 5  # the hold-out first
    assert {spec.kind for spec in surface.rules.specs} == {"boost", "bury", "cap", "floor"}
