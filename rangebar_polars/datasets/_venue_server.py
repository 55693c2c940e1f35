"""The server below a local venue: threads, connections and nothing about trades."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

__all__ = ["Handler", "Server"]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the venue."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a body waits for the acknowledgement of its headers

    def do_GET(self) -> None:
        """Answer."""
        cast("Server", self.server).serve(self)

    do_HEAD = do_GET  # noqa: N815  (likewise)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the standard library)
        """Write nothing to the terminal: the venue keeps its own log."""


class Server(ThreadingHTTPServer):
    """A server of this machine alone, which ends at once, whatever its clients still wait for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, serve: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.serve = serve
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", port), Handler)
        self._loop = self._thread(self.serve_forever, 0.01)
        self._loop.start()

    def _thread(self, target: Callable[..., None], *args: object) -> threading.Thread:
        return threading.Thread(target=target, args=args, name=f"LocalVenue at {self.server_port}", daemon=True)

    def server_bind(self) -> None:
        """Bind, without asking a name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (as in the standard library)
        """Answer a connection on its own thread."""
        thread = self._thread(self.process_request_thread, request, client_address)
        self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  (as in the standard library)
        """Forget a connection that is done."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (as in the standard library)
        """Show what went wrong, unless the client hung up, as it may."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stop, cut the connections, and wait until nobody works here any more."""
        self.shutdown()
        self._loop.join()
        for connection, thread in [*self._open.items()]:
            with suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()
        self.server_close()
