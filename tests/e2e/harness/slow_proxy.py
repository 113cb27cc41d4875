# SPDX-License-Identifier: MIT
"""A way to a server that is long, or blocked: a TCP proxy that holds each piece back."""
import contextlib
import queue
import socket
import threading
import time


class SlowProxy:
    """delay: seconds that each piece takes, in each direction; may be changed at any time. rate: so
    many bytes in a second pass in each direction, and hardly any wait here; 0: as fast as may be."""
    FEW = 65536  # bytes that wait, of a connection with a rate

    def __init__(self, group, port, delay=0.0, rate=0):
        self.target = "127.0.0.1", port
        self.delay, self.rate = delay, rate
        self.open = threading.Event()  # cleared: nothing passes
        self.open.set()
        self.held = None  # bytes: what has them in it waits for release(), and all behind it
        self.released = threading.Event()
        self.connections = 0
        self.passed = 0  # bytes, in both directions
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        if rate:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.FEW)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        group.exits.callback(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def release(self):
        self.released.set()

    def cut(self):
        """End all connections that there are, at both ends."""
        while self.sockets:
            with contextlib.suppress(OSError):
                self.sockets.pop().shutdown(socket.SHUT_RDWR)

    def close(self):
        self.open.set()
        self.release()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.socket()
            if self.rate:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.FEW)
            try:
                server.connect(self.target)
            except OSError:
                client.close()
                server.close()
                continue
            self.sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pieces = queue.Queue(2 if self.rate else 0)
                threading.Thread(target=self._read, args=(source, pieces), daemon=True).start()
                threading.Thread(target=self._write, args=(sink, pieces), daemon=True).start()

    def _read(self, source, pieces):
        data = b"x"
        while data:
            try:
                data = source.recv(1 << 14 if self.rate else 1 << 16)
            except OSError:
                data = b""
            pieces.put((time.monotonic() + self.delay, data))

    def _write(self, sink, pieces):
        free = 0  # when the way is
        while True:
            due, data = pieces.get()
            time.sleep(max(0, due - time.monotonic(), free - time.monotonic()))
            if self.rate:  # who has slept too long catches up, a little
                free = max(free, time.monotonic() - 0.1) + len(data) / self.rate
            self.open.wait()
            if self.held and self.held in data:
                self.released.wait()
            try:
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
                self.passed += len(data)
            except OSError:
                return
