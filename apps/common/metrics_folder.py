"""Where the web processes of one server count together: a folder named after the process that started them.

`share_counts` is called once in each, before prometheus_client is first imported: it chooses there how to
count. Each process has files of its own; those of a worker that died still count, so that no total
falls. A server that starts anew starts at zero in another folder, and clears away those of servers that are
gone.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_counts(parent: Path, *, server: int) -> None:
    """Counts with the other processes of this server below `parent`, or where the environment says.

    `server`: the id of the process that starts them.
    """
    if VARIABLE not in os.environ:
        folder = parent / str(server)
        if server == os.getpid():  # in a container that starts again, an earlier server had this id
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _remove_left(parent)
        os.environ[VARIABLE] = str(folder)


def forget_starter() -> None:
    """For the process that starts a server's workers: what it counted, nothing, is no worker's."""
    for path in Path(os.environ.get(VARIABLE, os.devnull)).glob(f"*_{os.getpid()}.db"):
        path.unlink()


def forget_the_dead(folder: Path) -> None:
    """Removes what processes that are gone said of themselves (their gauges); what they counted stays."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdigit() and not _is_running(int(pid)):
            path.unlink(missing_ok=True)


def _remove_left(parent: Path) -> None:
    for folder in parent.iterdir():
        if folder.name.isdigit() and not _is_running(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
