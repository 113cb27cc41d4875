# SPDX-License-Identifier: MIT
"""The way between a device and its relay, which a test can lose: a TCP proxy."""
import contextlib
import socket
import threading


class Link:
    """Forwards what comes to its address to the port, as long as it is whole."""

    def __init__(self, group, port):
        self.target = "127.0.0.1", port
        self.whole = threading.Event()
        self.whole.set()
        self.connections = 0  # that were made while it was whole
        self.pairs = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        group.exits.callback(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self):
        """Nothing passes any more, and nobody is told: the cable is out, the NAT has forgotten."""
        self.whole.clear()

    def come_back(self):
        """New connections are forwarded; those of before are dead for good."""
        self._drop()
        self.whole.set()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._drop()

    def _drop(self):
        with self.lock:
            for sock in self.pairs:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
            self.pairs.clear()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.pairs.add(client)
            if not self.whole.is_set():
                continue  # it may wait for an answer as long as it likes
            self.connections += 1
            server = socket.create_connection(self.target)
            with self.lock:
                self.pairs.add(server)
            for source, sink in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not self.whole.is_set():
                    return  # on its way when the link was lost
                sink.sendall(data)
            if self.whole.is_set():
                sink.shutdown(socket.SHUT_WR)
