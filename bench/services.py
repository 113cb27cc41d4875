# SPDX-License-Identifier: MIT
"""The three services behind every tunnel. They stand at fixed ports: the network is private."""
import socket
import sys
import threading
import time

from .programs import accepts, wait_until

HOST = "127.0.0.1"
PORTS = {"web": 18080, "bulk": 15201, "pieces": 18081}
SMALL, LARGE = "/1k.bin", "/100k.bin"
SIZES = {SMALL: 1024, LARGE: 102400, "/endless.bin": 1 << 30}
ENDLESS = "/endless.bin"  # more than anybody reads
PAUSE_S = 0.0002  # between the two pieces of an answer

NGINX = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err warn;
events {{
	worker_connections 8000;
	multi_accept on;
}}
http {{
	access_log off;
	sendfile on;
	etag off;
	default_type application/octet-stream;
	keepalive_timeout 300s;
	keepalive_requests 100000000;
	client_header_timeout 300s;
	send_timeout 300s;
	open_file_cache max=100;
	open_file_cache_valid 60s;
	client_body_temp_path {folder}/nginx.1;
	proxy_temp_path {folder}/nginx.2;
	fastcgi_temp_path {folder}/nginx.3;
	uwsgi_temp_path {folder}/nginx.4;
	scgi_temp_path {folder}/nginx.5;
	server {{
		listen {host}:{port} backlog=4096;
		root {folder}/www;
	}}
}}
"""


class Services:
    def __init__(self, programs):
        self.programs, self.bulk = programs, None
        www = programs.folder / "www"
        www.mkdir()
        for path, size in SIZES.items():
            with open(www / path[1:], "wb") as file:
                file.truncate(size)
        config = programs.write("nginx.conf", NGINX.format(folder=programs.folder, host=HOST,
                                                           port=PORTS["web"]))
        programs.start("nginx", ["nginx", "-c", config])
        programs.start("pieces", [sys.executable, "-m", "bench.services"])
        self.restart_bulk()
        for name in ("web", "pieces"):
            wait_until(f"the {name} service", lambda port=PORTS[name]: accepts((HOST, port)))

    def restart_bulk(self):
        """iperf3 serves one test at a time, and a broken test may leave it in the middle."""
        if self.bulk:
            self.programs.stop([self.bulk])
        self.bulk = self.programs.start(
            "iperf3", ["iperf3", "-s", "-B", HOST, "-p", PORTS["bulk"]])
        wait_until("the bulk service", lambda: accepts((HOST, PORTS["bulk"])))


def answer_in_pieces(sock):
    """HTTP whose head and body are two packets, whatever a tunnel would like: where one holds
    the second back until the first is acknowledged (Nagle), it shows."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = b"x" * SIZES[SMALL]
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    waiting = b""
    with sock:
        while data := sock.recv(65536):
            waiting += data
            while b"\r\n\r\n" in waiting:
                waiting = waiting.partition(b"\r\n\r\n")[2]
                sock.sendall(head)
                time.sleep(PAUSE_S)
                sock.sendall(body)


def main():
    server = socket.create_server((HOST, PORTS["pieces"]), backlog=128)
    while True:
        sock, _ = server.accept()
        threading.Thread(target=answer_in_pieces, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
