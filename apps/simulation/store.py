"""Which worlds were written, so that their truth can be read back: one small JSON file per seed under var/.

The truth itself is never stored: the same world gives it again, bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from django.conf import settings

from apps.simulation.truth import Truth, build_truth
from apps.simulation.world import World, world_from


def folder() -> Path:
    return Path(settings.VAR_DIR) / "simulation"


def keep_world(world: World) -> Path:
    """Writes the world's file; an existing one of the same seed is replaced."""
    path = folder() / f"seed-{world.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(world), indent=1) + "\n")
    new.replace(path)
    return path


def kept_world(seed: int) -> World | None:
    """The world that was written with this seed, if any."""
    path = folder() / f"seed-{seed}.json"
    return world_from(json.loads(path.read_text())) if path.is_file() else None


def truth_of(seed: int) -> Truth:
    """The truth of a world that was written. Raises LookupError when none was."""
    world = kept_world(seed)
    if world is None:
        raise LookupError(f"no market was simulated with seed {seed}")
    return build_truth(world, data_dir=settings.DATA_DIR)
