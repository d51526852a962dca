"""A pytest plugin: the suite's own Postgres and Valkey, unless DATABASE_URL and REDIS_URL name others.

Registered with `-p tests.servers`: it must come before the settings, which read the environment as they load.
The servers are on free ports in a temporary folder, are not durable, and go with the run, however it ends.
A test that kills servers starts its own (see `own_servers` in conftest.py). Where tests run side by side
(-n 2), each process that runs them has servers of its own, and the one that deals them out has none.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from raya_recs.embedded import EmbeddedServers

_STARTED: list[EmbeddedServers] = []
_FOLDERS: list[Path] = []
_WORKER = "PYTEST_XDIST_WORKER"  # names a process that runs tests beside others


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """A wrapper runs before pytest-django's own hook, which loads the settings."""
    options = early_config.known_args_namespace
    deals_out = bool(getattr(options, "numprocesses", None)) and _WORKER not in os.environ
    if not (options.collectonly or options.help or deals_out):
        folder = Path(tempfile.mkdtemp(prefix="raya_recs-run-"))
        _FOLDERS.append(folder)
        os.environ["TEST_VAR_DIR"] = str(folder / "var")
        _provide_servers(folder / "servers")
    yield


def _provide_servers(folder: Path) -> None:
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        # Tests empty their Valkey database: never one that a lent server is used for, nor another worker's.
        database = 15 - int(os.environ.get(_WORKER, "gw0").removeprefix("gw"))
        os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rsplit('/', 1)[0]}/{database}"
        return
    # The database's user must pass through; what is secret in here is private by itself.
    folder.parent.chmod(0o711)
    servers = EmbeddedServers(folder, durable=False, say=_quiet)
    servers.start()
    _STARTED.append(servers)
    os.environ |= {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}


@pytest.fixture(autouse=True)
def no_runtime_left() -> Iterator[None]:
    """The serving half's threads and connections end with the test that started them.

    Here and not in conftest.py, so that it is older than pytest-django's fixtures and ends after them: a
    thread that waits for a row which the test's transaction holds goes on once that is rolled back.
    """
    yield
    with mock.patch("threading.excepthook"):  # what such a thread meets then is nobody's concern
        stop_runtime()
    grants = sys.modules.get("apps.interactions.grants")
    if grants is not None:
        from django.conf import settings

        grants.grant_file().close()
        shutil.rmtree(settings.GRANTS_DIR, ignore_errors=True)  # no other test must recover this one's grants


def stop_runtime() -> None:
    runtimes = sys.modules.get("apps.delivery.runtime")
    if runtimes is not None:
        runtimes.stop()


def pytest_unconfigure() -> None:
    while _STARTED:
        _STARTED.pop().destroy()
    while _FOLDERS:
        shutil.rmtree(_FOLDERS.pop(), ignore_errors=True)


def _quiet(_: str) -> None:
    pass
