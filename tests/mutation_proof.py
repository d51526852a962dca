"""Breaks each guard on purpose and shows that a test turns red: `make mutation-proof`.

Each mutation is made in a copy of the tree, where the named test alone is run. It counts as caught when the
test passes on the untouched copy and fails on the broken one by an assertion, not by an import error or a
time-out.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 900  # in a new copy the first test that serves compiles every loop
TIMED_OUT = 124


def main(words: list[str]) -> int:
    """Prints a line per guard whose name holds all `words`; 1 when one is not guarded by its test."""
    missed, chosen = 0, [m for m in MUTATIONS if all(word in m.guard for word in words)]
    with tempfile.TemporaryDirectory(prefix="raya_recs-mutations-") as folder:
        copy = Path(folder)
        copy.chmod(0o711)
        _copy_tree(copy)
        for mutation in chosen:
            verdict = _verdict(copy, mutation)
            missed += verdict != "caught"
            print(f"{verdict:8}  {mutation.guard}\n          {mutation.test}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} guards are guarded")
    return int(missed > 0)


def _copy_tree(copy: Path) -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.split(
        b"\0"
    )
    for name in filter(None, (name.decode() for name in names)):
        if (ROOT / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())


def _verdict(copy: Path, mutation: Mutation) -> str:
    file = copy / mutation.file
    whole = file.read_text()
    if mutation.line not in whole:
        return "STALE"  # the guard has moved: name it anew
    if _run(copy, mutation.test).returncode != 0:
        return "RED"  # the test fails without a mutation
    file.write_text(whole.replace(mutation.line, mutation.broken))
    try:
        broken = _run(copy, mutation.test)
    finally:
        file.write_text(whole)
    return "caught" if broken.returncode == 1 and _by_assertion(broken.stdout) else "MISSED"


def _by_assertion(output: str) -> bool:
    return "AssertionError" in output or "assert " in output or "DID NOT RAISE" in output


def _run(copy: Path, test: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", test]
    try:
        return subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:  # one guard's failure: the others are still looked at
        return subprocess.CompletedProcess(command, TIMED_OUT, "", "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
