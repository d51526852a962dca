"""What can be said of Dockerfile, docker-compose.yml and .env.example without an engine to run them."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from raya_recs.env import BASE_DIR

COMPOSE: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if service["image"] == "raya_recs"}
DOCKERFILE = (BASE_DIR / "Dockerfile").read_text()
SETTINGS = "".join(path.read_text() for path in (BASE_DIR / "raya_recs/settings").glob("*.py"))
SETTINGS += (BASE_DIR / "raya_recs/env.py").read_text()
READ_ELSEWHERE = {"DJANGO_SETTINGS_MODULE", "HEALTH_URL", "APP_ROLE_PASSWORD"}


def names_read_by_settings() -> set[str]:
    return set(re.findall(r'env(?:\.\w+)?\(\s*"(\w+)"', SETTINGS)) | READ_ELSEWHERE


def test_every_process_of_the_demo_is_a_service() -> None:
    assert set(SERVICES) >= {"api", "admin", "worker", "beat", "postgres", "valkey", "opensearch"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_set_only_names_that_the_settings_read(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= names_read_by_settings()


def test_every_long_running_service_has_a_health_check() -> None:
    without = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    assert without == {"api", "admin"}, "these two have the image's own"
    assert '"/app/raya_recs/healthcheck.py"' in DOCKERFILE
    assert (BASE_DIR / "raya_recs/healthcheck.py").is_file()


def test_nothing_runs_as_root() -> None:
    last_user = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
    assert last_user == "raya_recs"
    assert all("user" in SERVICES[name] for name in set(SERVICES) - OURS)
    assert not any("user" in SERVICES[name] for name in OURS)


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_secrets_have_no_default() -> None:
    text = (BASE_DIR / "docker-compose.yml").read_text()
    for secret in ("SECRET_KEY", "POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD", "VALKEY_PASSWORD"):
        assert set(re.findall(rf"\$\{{{secret}(.*?)\}}", text)) == {":?"}


def test_image_installs_the_locked_requirements_and_copies_only_what_is_there() -> None:
    assert "--require-hashes" in DOCKERFILE
    kept = re.findall(r"^!(\S+)", (BASE_DIR / ".dockerignore").read_text(), re.MULTILINE)
    assert {"apps", "raya_recs", "requirements", "manage.py"} <= set(kept)
    assert not any(name.startswith((".env", "var", ".git")) for name in kept)


def test_env_example_boots_as_it_is(tmp_path: Path) -> None:
    lines = (BASE_DIR / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(example) <= names_read_by_settings()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **example}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
