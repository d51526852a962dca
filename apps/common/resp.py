"""One conversation with Valkey, spoken on a plain socket: the two calls of a request cost half of redis-py's.

redis-py opens and greets (address, TLS, password, database); hiredis writes and reads. Every call has one
deadline for all of it. Whatever goes wrong ends the conversation, so that no late answer meets another call.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

import hiredis
import redis

CHUNK = 65_536
_MORE = object()


class Line:
    """For one thread at a time. `opened` is a connection of redis-py that has been greeted."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened  # it closes the socket when it goes
        self._socket: socket.socket = opened._sock
        self._reader = hiredis.Reader(replyError=_error, notEnoughData=_MORE)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def is_quiet(self) -> bool:
        """Nobody speaks unasked but a server that has gone: then this line is dead."""
        return not self._poll.poll(0)

    def ask(self, words: tuple[Any, ...], seconds: float) -> Any:
        """The answer; an error of the server as a value. Raises ConnectionError, TimeoutError of redis."""
        deadline = time.monotonic() + seconds
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(hiredis.pack_command(words))
            while (answer := self._reader.gets()) is _MORE:
                self._hear(deadline)
        except TimeoutError as error:
            self.close()
            raise redis.TimeoutError(f"no answer within {seconds} s") from error
        except OSError as error:
            self.close()
            raise redis.ConnectionError(str(error)) from error
        except BaseException:
            self.close()
            raise
        return answer

    def close(self) -> None:
        self._opened.disconnect()

    def _hear(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        heard = self._socket.recv(CHUNK)
        if not heard:
            raise ConnectionResetError("the server closed the connection")
        self._reader.feed(heard)


def _error(text: str) -> redis.ResponseError:
    kind = redis.exceptions.NoScriptError if text.startswith("NOSCRIPT") else redis.ResponseError
    return kind(text)
