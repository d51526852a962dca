"""A wire between two processes that a test can make slow, or let lead nowhere: a TCP proxy on loopback.

What is sent while the wire leads nowhere is kept, and arrives once it leads somewhere again, as with TCP when
packets were lost. New connections are accepted, and hear nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

CHUNK = 65_536
LOOK_SECONDS = 0.01


class Wire:
    """`slow` seconds are added to each piece of data, either way; `is_cut`: nothing passes.

    `hindered` counts the pieces that were late or kept: 0 means that the fault did not happen.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        assert self._url.hostname
        assert self._url.port
        self._target = self._url.hostname, self._url.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.slow, self.is_cut, self.hindered = 0.0, False, 0
        self._done = threading.Event()
        self._sockets: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The address to give to whoever shall use the wire."""
        port = self._listener.getsockname()[1]
        return self._url._replace(netloc=self._url.netloc.rpartition(":")[0] + f":{port}").geturl()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while not self._done.is_set():
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._wait()
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        self._sockets += [near, far]
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # either end is gone
            while data := source.recv(CHUNK):
                if self.slow:
                    self.hindered += 1
                    time.sleep(self.slow)
                self._wait()
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _wait(self) -> None:
        """Until the wire leads somewhere."""
        if self.is_cut:
            self.hindered += 1
        while self.is_cut and not self._done.is_set():
            time.sleep(LOOK_SECONDS)
