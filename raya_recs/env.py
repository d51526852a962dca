"""Reads the environment, once, with defaults that boot on one machine."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")
# While a demo runs, commands typed beside it find its stores.
environ.Env.read_env(Path(env.str("VAR_DIR", str(BASE_DIR / "var"))) / "demo.env")
