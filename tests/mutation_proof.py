"""Breaks each guard on purpose and shows that a test turns red: `make mutation-proof`.

Each mutation is made in a copy of the tree, where the named test alone is run. It counts as caught when the
test passes on the untouched copy and fails on the broken one by an assertion, not by an import error or a
time-out.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300


@dataclass(frozen=True)
class Mutation:
    """A guard, the line that keeps it, what stands there when it is broken, and the test that must notice."""

    guard: str
    file: str
    line: str
    broken: str
    test: str


MUTATIONS = (
    Mutation(
        "nobody under 18 is eligible",
        "apps/pipeline/filters/predicates.py",
        "(today - birth_date < ADULT * YEAR)",
        "(today - birth_date < 0)",
        "tests/pipeline/filters/test_rules.py::test_eighteen_today_is_adult_and_eighteen_tomorrow_is_not",
    ),
    Mutation(
        "without a birth date nobody is eligible",
        "apps/pipeline/filters/predicates.py",
        "NOT_ADULT * ((birth_date <= 0) | ",
        "NOT_ADULT * ((birth_date < 0) & ",
        "tests/pipeline/filters/test_rules.py",
    ),
    Mutation(
        "a block is honoured both ways by the next request",
        "apps/delivery/state.py",
        "np.concatenate([self.blocked, self.related, self.seen, self.held])",
        "np.concatenate([self.related, self.seen, self.held])",
        "tests/delivery/test_services.py::test_a_block_is_honoured_at_once_both_ways",
    ),
    Mutation(
        "whoever was blocked is told of it too",
        "apps/interactions/online.py",
        "    _add(facts, online.global_key(effect.target), theirs, effect.at)\n",
        "",
        "tests/delivery/test_services.py::test_a_block_is_honoured_at_once_both_ways",
    ),
    Mutation(
        "the last guard drops whoever is gone",
        "apps/delivery/ledger.py",
        "if gone[i] == 1 then",
        "if gone[i] == 2 then",
        "tests/delivery/test_ledger.py::test_the_reserve_fills_the_place_of_whoever_is_gone",
    ),
    Mutation(
        "hidden and stopped members are published as gone",
        "apps/common/online.py",
        '        write_safely("gone", lambda client: client.sadd(GONE[kind], *wanted), safety=True)',
        "        pass",
        "tests/members/test_members.py::test_who_may_not_be_shown_is_gone_before_it_is_acknowledged_and_back_after",
    ),
    Mutation(
        "a repeated request leaves out whoever was blocked since",
        "apps/delivery/serve.py",
        "lost = gone | _blocked(prepared.state, numbers)",
        "lost = gone & False",
        "tests/delivery/test_services.py::test_a_repeat_leaves_out_whoever_was_blocked_or_hidden_since",
    ),
    Mutation(
        "the cap is never overshot",
        "apps/delivery/ledger.py",
        "used + current >= daily",
        "used + current > daily",
        "tests/delivery/test_ledger.py::test_the_cap_is_exact_under_64_callers",
    ),
    Mutation(
        "each candidate has a cap of their own",
        "apps/delivery/ledger.py",
        "if each then daily, hourly = struct.unpack('<I2I2', ARGV[3], i * 4 - 3) end",
        "",
        "tests/delivery/test_ledger.py::test_caps_of_their_own_are_exact_under_64_callers",
    ),
    Mutation(
        "an hourly cap is never overshot",
        "apps/delivery/ledger.py",
        "last + current >= hourly",
        "current >= hourly",
        "tests/delivery/test_ledger.py::test_an_hourly_cap_holds_in_any_60_minutes",
    ),
    Mutation(
        "a rule that ended does nothing",
        "apps/pipeline/rules.py",
        "(now < ends)",
        "(now <= ends)",
        "tests/pipeline/ranking/test_boosts.py::test_expired_boost_leaves_score_unchanged",
    ),
    Mutation(
        "a rule that staff switched off does nothing",
        "apps/pipeline/rules.py",
        "spec.key not in dead",
        "True",
        "tests/pipeline/ranking/test_boosts.py::test_a_killed_boost_leaves_score_unchanged",
    ),
    Mutation(
        "masks that are not whole are refused",
        "apps/pipeline/masks.py",
        "if _checksum(path) != checksums[name]:",
        "if False:",
        "tests/pipeline/test_masks.py::test_a_file_that_is_not_whole_is_refused_and_built_again",
    ),
    Mutation(
        "another generation of the online state is refused",
        "apps/delivery/ledger.py",
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end",
        "",
        "tests/delivery/test_ledger.py::test_another_generation_refuses_and_leaves_nothing_behind",
    ),
    Mutation(
        "an id used at once for two things is given to one",
        "apps/interactions/services.py",
        "digests.get(row.body.id) == row.digest",
        "True",
        "tests/interactions/test_concurrency.py::test_an_id_used_at_once_for_two_things_is_given_to_one",
    ),
    Mutation(
        "an accepted event is stored",
        "apps/interactions/services.py",
        "        _store_events(kept.values(), now)\n",
        "        pass\n",
        "tests/interactions/test_events.py::test_an_event_sent_again_is_a_duplicate_and_stored_once",
    ),
    Mutation(
        "the same id with other content is refused",
        "apps/interactions/checks.py",
        "known.digests[body.id] == digest",
        "True",
        "tests/interactions/test_events.py::test_an_id_used_again_with_other_content_is_refused_within_and_across_batches",
    ),
    Mutation(
        "only an approver publishes",
        "apps/releases/services.py",
        "    _must_be_approver(actor)\n    with transaction.atomic():\n",
        "    with transaction.atomic():\n",
        "tests/releases/test_services.py::test_editors_can_neither_publish_nor_roll_back",
    ),
    Mutation(
        "a draft is not live until it is published",
        "apps/releases/services.py",
        "draft.version != version",
        "False",
        "tests/releases/test_services.py::test_publishing_a_version_that_the_approver_did_not_see_is_a_conflict",
    ),
)


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
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", test],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
