"""A pytest plugin: the suite's own Postgres and Valkey, unless DATABASE_URL and REDIS_URL name others.

Registered with `-p tests.servers`: it must come before the settings, which read the environment as they load.
The servers are on free ports in a temporary folder, are not durable, and go with the run, however it ends.
A test that kills servers starts its own (see `own_servers` in conftest.py).
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from raya_recs.embedded import EmbeddedServers

_STARTED: list[EmbeddedServers] = []
_FOLDERS: list[Path] = []


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """A wrapper runs before pytest-django's own hook, which loads the settings."""
    options = early_config.known_args_namespace
    if not (options.collectonly or options.help):
        folder = Path(tempfile.mkdtemp(prefix="raya_recs-run-"))
        _FOLDERS.append(folder)
        os.environ["TEST_VAR_DIR"] = str(folder / "var")
        _provide_servers(folder / "servers")
    yield


def _provide_servers(folder: Path) -> None:
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        # Tests empty their Valkey database: never the one that a lent server is used for.
        os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rsplit('/', 1)[0]}/15"
        return
    # The database's user must pass through; what is secret in here is private by itself.
    folder.parent.chmod(0o711)
    servers = EmbeddedServers(folder, durable=False, say=_quiet)
    servers.start()
    _STARTED.append(servers)
    os.environ |= {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}


def pytest_unconfigure() -> None:
    while _STARTED:
        _STARTED.pop().destroy()
    while _FOLDERS:
        shutil.rmtree(_FOLDERS.pop(), ignore_errors=True)


def _quiet(_: str) -> None:
    pass
