"""Who may not be shown, as Valkey keeps it for the last guard: said with the version of the row that says so.

An older word than the last one is refused, so that a write may arrive in any order, and as late as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping

import redis

from apps.common.online import GONE, script, write_safely

GONE_AT = {"member": "o:gone:at:member", "place": "o:gone:at:place"}  # the version of what was last said
FOR_GOOD = 2**53  # above every version: who was erased, and what was deleted, never comes back
# KEYS: gone, at which version. ARGV: number, version, and so on.
_SAY_GONE = """
for i = 1, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) >= tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or 0) then
    redis.call('SADD', KEYS[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
"""
_SAY_BACK = """
local numbers = {}
for i = 1, #ARGV, 2 do numbers[#numbers + 1] = ARGV[i] end
for i, is_gone in ipairs(redis.call('SMISMEMBER', KEYS[1], unpack(numbers))) do
  local version = ARGV[2 * i]
  if is_gone == 1 and tonumber(version) >= tonumber(redis.call('HGET', KEYS[2], numbers[i]) or 0) then
    redis.call('SREM', KEYS[1], numbers[i])
    redis.call('HSET', KEYS[2], numbers[i], version)
  end
end
"""
NUMBERS_PER_CALL = 1000


def publish_gone(kind: str, versions: Mapping[int, int]) -> None:
    """Nobody is shown these any more once this returns. Versions by number, as their rows say (or FOR_GOOD).

    Call after the commit. Raises Unavailable.
    """
    if versions:
        write_safely("gone", lambda client: say_gone(client, kind, versions), safety=True)


def publish_back(kind: str, versions: Mapping[int, int]) -> None:
    """These may be shown again, unless they are gone by a later version. Call after the commit."""
    if versions:
        write_safely("back", lambda client: say_back(client, kind, versions), safety=False)


def say_gone(client: redis.Redis, kind: str, versions: Mapping[int, int]) -> None:
    """Raises RedisError."""
    _say(client, _SAY_GONE, kind, versions)


def say_back(client: redis.Redis, kind: str, versions: Mapping[int, int]) -> None:
    """Raises RedisError."""
    _say(client, _SAY_BACK, kind, versions)


def _say(client: redis.Redis, text: str, kind: str, versions: Mapping[int, int]) -> None:
    said = [(int(number), int(version)) for number, version in versions.items()]
    for start in range(0, len(said), NUMBERS_PER_CALL):
        args = [word for pair in said[start : start + NUMBERS_PER_CALL] for word in pair]
        script(client, text)(keys=[GONE[kind], GONE_AT[kind]], args=args)
