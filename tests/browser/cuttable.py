"""A wire between a browser and a site that can be cut, to see how pages find their way back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 65536


class Wire:
    """Passes bytes on, from `port` here to the site's; `sent` is what the browser has sent so far."""

    def __init__(self, site_port: int) -> None:
        self.sent = b""
        self._site_port = site_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection there is; new ones are taken."""
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open = []

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                site = socket.create_connection(("127.0.0.1", self._site_port))
                self._open += [browser, site]
                for source, goal in ((browser, site), (site, browser)):
                    threading.Thread(target=self._pass_on, args=(source, goal), daemon=True).start()

    def _pass_on(self, source: socket.socket, goal: socket.socket) -> None:
        outward = goal.getpeername()[1] == self._site_port
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self.sent += data if outward else b""
                goal.sendall(data)
        for end in (source, goal):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(site_port: int) -> Iterator[Wire]:
    wire = Wire(site_port)
    try:
        yield wire
    finally:
        wire.close()
