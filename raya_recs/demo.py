"""The whole system on one machine: stores, data, web servers, worker and beat under one supervisor.

`run_demo(options, say)` keeps its data, logs and process files in VAR_DIR. It talks to Django only through
`manage.py`, so that every process reads the addresses of the stores from its environment.
"""

import contextlib
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from raya_recs.demo_report import address_lines, ranked_list_lines
from raya_recs.embedded import EmbeddedServers, write_privately
from raya_recs.env import BASE_DIR
from raya_recs.processes import Child, ProcessError, StopAskedError, port_is_taken, serving
from raya_recs.supervisor import Program, Supervisor

API_PORT, ADMIN_PORT = 8000, 8001
STORES = ("DATABASE_URL", "REDIS_URL")
BIN = Path(sys.executable).parent

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    folder: Path
    once: bool = False
    members: int = 20_000
    places: int = 2_000
    days: int = 30
    seed: int = 1
    api_port: int = API_PORT
    admin_port: int = ADMIN_PORT


def run_demo(options: DemoOptions, say: Say) -> None:
    """Start everything; then print the lists and stop (`once`), or watch until asked to stop."""
    supervisor = Supervisor(options.folder, say)
    stores_file = options.folder / "demo.env"
    with supervisor.stop_request.listening():
        try:
            lent = _lent_stores(stores_file)
            stores = lent or _embedded_stores(supervisor, options.folder, say)
            write_privately(stores_file, "".join(f"{name}={stores[name]}\n" for name in STORES))
            env = _child_environment(stores)
            _prepare(supervisor, options, env, ["--own-stores"] if lent is None else [])
            _start_programs(supervisor, options, env, say)
        except StopAskedError:
            say("Stopped before it was ready; what was done so far is kept.")
        finally:
            supervisor.stop()
            stores_file.unlink(missing_ok=True)


def _start_programs(supervisor: Supervisor, options: DemoOptions, env: dict[str, str], say: Say) -> None:
    api_port = _open_port("The API", options.api_port, set(), say)
    admin_port = _open_port("The admin", options.admin_port, {api_port}, say)
    supervisor.start(*_programs(env, options.folder / "static", api_port, admin_port))
    access = json.loads((options.folder / "demo.json").read_text())
    api, admin = f"http://127.0.0.1:{api_port}", f"http://127.0.0.1:{admin_port}"
    if options.once:
        for line in ranked_list_lines(api, access):
            say(line)
        return
    for line in address_lines(api, admin, access, options.folder / "log"):
        say(line)
    supervisor.watch()


def _lent_stores(stores_file: Path) -> dict[str, str] | None:
    """The servers named in the environment, unless it only repeats what a killed demo left in its file."""
    given = {name: os.environ[name] for name in STORES if os.environ.get(name)}
    with contextlib.suppress(FileNotFoundError):
        left = dict(line.split("=", 1) for line in stores_file.read_text().splitlines())
        given = {name: url for name, url in given.items() if left.get(name) != url}
    if len(given) == 1:
        raise ProcessError(f"only {next(iter(given))} is set: set both of {', '.join(STORES)}, or neither")
    return given or None


def _embedded_stores(supervisor: Supervisor, folder: Path, say: Say) -> dict[str, str]:
    say("Starting Postgres and Valkey")
    servers = EmbeddedServers(folder, children=supervisor.children, say=say)
    servers.start()
    supervisor.restart_with("postgres", servers.restart_postgres)
    supervisor.restart_with("valkey", servers.restart_valkey)
    return {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}


def _child_environment(stores: dict[str, str]) -> dict[str, str]:
    """Celery lets CELERY_BROKER_URL in the environment win over the settings, silently: keep it out."""
    env = {name: value for name, value in os.environ.items() if name != "CELERY_BROKER_URL"}
    defaults = {"DJANGO_SETTINGS_MODULE": "raya_recs.settings.local", "PYTHONUNBUFFERED": "1"}
    return env | defaults | stores


def _prepare(supervisor: Supervisor, options: DemoOptions, env: dict[str, str], extra: list[str]) -> None:
    numbers = {name: str(getattr(options, name)) for name in ("members", "places", "days", "seed")}
    arguments = [part for name, value in numbers.items() for part in (f"--{name}", value)]
    command = [sys.executable, str(BASE_DIR / "manage.py"), "demo_prepare", *arguments, *extra]
    supervisor.run("prepare", command, env)


def _programs(env: dict[str, str], static: Path, api_port: int, admin_port: int) -> list[Program]:
    celery = [str(BIN / "celery"), "--app", "raya_recs", "--workdir", str(BASE_DIR)]
    worker = [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO", "--hostname", "demo@%h"]
    return [
        _web("api", env, static, api_port, workers=2, ready_path="/health/ready"),
        _web("admin", env, static, admin_port, workers=1, ready_path="/admin/login/"),
        Program(name="worker", command=worker, env=env, is_ready=_says(" ready.")),
        Program(
            name="beat",
            command=[*celery, "beat", "--loglevel", "INFO"],
            env=env,
            is_ready=_says("beat: Starting..."),
        ),
    ]


def _web(
    process: str, env: dict[str, str], static: Path, port: int, *, workers: int, ready_path: str
) -> Program:
    return Program(
        name=process,
        command=serving(port, "--workers", str(workers), "--static", str(static)),
        env=env | {"RAYA_RECS_PROCESS": process, "PYTHONPATH": str(BASE_DIR)},
        is_ready=lambda _: _answers(f"http://127.0.0.1:{port}{ready_path}"),
    )


def _says(words: str) -> Callable[[Child], bool]:
    return lambda child: words in child.output()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:  # an HTTP error status is one too
        return False


def _open_port(who: str, wanted: int, used: set[int], say: Say) -> int:
    for port in range(wanted, wanted + 100):
        if port not in used and not port_is_taken(port):
            if port != wanted:
                say(f"Port {wanted} is taken: {who} is on {port} instead")
            return port
    raise ProcessError(f"no free port from {wanted} to {wanted + 99}")
