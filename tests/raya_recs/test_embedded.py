"""The embedded servers: real processes, really killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from raya_recs import postgres_home
from raya_recs.embedded import EmbeddedServers
from raya_recs.env import BASE_DIR
from raya_recs.processes import ProcessError, free_port, is_running

pytestmark = pytest.mark.faults

HOLDER = """
import sys, time
from pathlib import Path
from raya_recs.embedded import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]), say=lambda line: None)
servers.start()
print(servers.postgres_pid, servers.valkey_pid, servers.database_url, flush=True)
time.sleep(120)
"""


class Holder:
    """Another process that runs servers in the folder, for killing."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        postgres, valkey, self.database_url = self.process.stdout.readline().split()
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.guard = next(child.pid for child in family if "guard.py" in " ".join(child.cmdline()))
        self.servers = [child.pid for child in family if child.pid != self.guard]
        assert {int(postgres), int(valkey)} < set(self.servers), "Postgres has children of its own"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def holder(servers_folder: Path) -> Iterator[Holder]:
    holder = Holder(servers_folder)
    yield holder
    holder.kill()
    assert eventually(lambda: not any(map(is_running, [holder.guard, *holder.servers])))


def eventually(true: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def test_committed_rows_and_written_keys_survive_a_crash(own_servers: EmbeddedServers) -> None:
    with psycopg.connect(own_servers.database_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    with redis.Redis.from_url(own_servers.redis_url) as client:
        client.set("kept", "7")
        time.sleep(1.2)  # the append file is written through every second
    own_servers.restart_postgres(kill=True)
    own_servers.restart_valkey(kill=True)
    with psycopg.connect(own_servers.database_url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]
    with redis.Redis.from_url(own_servers.redis_url) as client:
        assert client.get("kept") == b"7"


def test_neither_server_answers_without_its_password(own_servers: EmbeddedServers) -> None:
    password = own_servers.database_url.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own_servers.database_url.replace(password, "wrong"))
    with (
        pytest.raises(redis.AuthenticationError),
        redis.Redis.from_url(own_servers.redis_url.replace(password, "wrong")) as client,
    ):
        client.ping()
    assert (own_servers.folder / "password").stat().st_mode & 0o077 == 0


def test_kill_of_the_parent_leaves_no_server_running(holder: Holder) -> None:
    with psycopg.connect(holder.database_url):
        holder.kill()
        assert eventually(lambda: not any(map(is_running, holder.servers)))
    assert eventually(lambda: not is_running(holder.guard))


def test_next_start_ends_what_outlived_parent_and_guard(holder: Holder, servers_folder: Path) -> None:
    os.kill(holder.guard, signal.SIGKILL)
    holder.kill()
    assert all(map(is_running, holder.servers)), "nobody is left to stop them"
    with EmbeddedServers(servers_folder) as servers:
        assert not any(map(is_running, holder.servers))
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_folder_in_use_is_refused_with_its_owner(holder: Holder, servers_folder: Path) -> None:
    with pytest.raises(ProcessError, match=f"process {holder.process.pid} already uses"):
        EmbeddedServers(servers_folder).start()
    assert all(map(is_running, holder.servers))


def test_next_start_waits_for_the_guard_of_a_killed_run(holder: Holder, servers_folder: Path) -> None:
    holder.kill()
    with EmbeddedServers(servers_folder) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_pid_file_of_a_number_that_now_is_another_program_is_recovered(own_servers: EmbeddedServers) -> None:
    own_servers.stop_postgres(kill=True)
    pid_file = own_servers._home.data / "postmaster.pid"
    stranger = subprocess.Popen(["sleep", "60"], **postgres_home.as_user(own_servers._home.user))
    try:
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        own_servers.stop()
        own_servers.start()
        assert is_running(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_taken_port_that_was_asked_for_is_an_error(servers_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ProcessError, match="postgres ended"):
            EmbeddedServers(servers_folder, postgres_port=taken.getsockname()[1]).start()


def test_taken_port_that_we_chose_is_replaced(servers_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        offers = [taken.getsockname()[1], free_port(), free_port()]
        monkeypatch.setattr("raya_recs.embedded.free_port", lambda: offers.pop(0))
        with EmbeddedServers(servers_folder) as servers:
            assert str(taken.getsockname()[1]) not in servers.database_url


# Postgres refuses root, so root alone gives it to another user, who may be kept out of folders: nobody else
# can set that up. Every other test here runs as whoever runs it.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run Postgres as somebody else")
def test_root_puts_data_and_binaries_outside_a_closed_folder(
    servers_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, said = servers_folder / "closed", []
    closed.mkdir(mode=0o700)
    outside = servers_folder / "outside"
    monkeypatch.setattr(postgres_home, "OUTSIDE", outside)
    packaged = postgres_home._packaged_binaries()
    monkeypatch.setattr(
        postgres_home, "_can_enter", lambda user, folder: folder not in (closed / "var", packaged)
    )
    with EmbeddedServers(closed / "var", say=said.append) as servers:
        assert outside in servers._home.data.parents
        assert outside in servers._home.binaries.parents
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    with EmbeddedServers(closed / "var", say=said.append) as again:
        assert again._home.data == servers._home.data, "the same data the next time"
    assert str(servers._home.data) in said[0]
    assert closed.stat().st_mode & 0o777 == 0o700, "nobody's folder is made more open"
