"""An S3 server of a process of its own, and a gate before it that can be shut or made to fail."""

from __future__ import annotations

import http.client
import http.server
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow import fs

BUCKET = "logs"
KEYS = {
    "AWS_ACCESS_KEY_ID": "test-key-id",
    "AWS_SECRET_ACCESS_KEY": "test-secret-key",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
sys.stdin.read()
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def s3_server() -> Iterator[int]:
    """The port of a server with one empty bucket; it ends with this process, whatever happens to it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVE, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        store = Bucket(port)
        store.system("allow_bucket_creation=true").create_dir(BUCKET)
        yield port
    finally:
        process.kill()
        process.communicate()


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the S3 server does not start")


@dataclass(frozen=True)
class Bucket:
    """The bucket, by way of a port: the server's own, or that of a gate before it."""

    port: int

    @property
    def query(self) -> str:
        return f"?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    def uri(self, path: str) -> str:
        return f"s3://{BUCKET}/{path}{self.query}"

    def system(self, more: str = "") -> fs.FileSystem:
        return fs.FileSystem.from_uri(f"s3://{BUCKET}/x{self.query}&{more}".rstrip("&"))[0]

    def put(self, local: Path, path: str) -> str:
        """Upload a file or all files of a folder; gives the URI."""
        for file in [local] if local.is_file() else sorted(p for p in local.rglob("*") if p.is_file()):
            below = file.relative_to(local).as_posix()
            key = f"{BUCKET}/{path}" if file == local else f"{BUCKET}/{path}/{below}"
            with self.system().open_output_stream(key, compression=None) as target:
                target.write(file.read_bytes())
        return self.uri(path)


@dataclass
class Gate:
    """A proxy before the server, which does to a request what `plan` says.

    `plan` is told the number of requests for bytes of a file so far, this one included, and whether it is
    one. It answers "pass", "shut" (the connection ends), "cut" (it ends in the middle of the answer), or a
    status such as "503".
    """

    target: int
    port: int = 0
    requests: int = 0
    plan: Callable[[int, bool], str] = lambda number, of_bytes: "pass"
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def decide(self, of_bytes: bool) -> str:
        with self._lock:
            self.requests += of_bytes
            return self.plan(self.requests, of_bytes)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate

    def do_GET(self) -> None:
        what = self.gate.decide("Range" in self.headers)
        if what == "shut":
            self._cut_off()
        elif what.isdigit():
            self._reply(int(what), {}, b"")
        else:
            status, headers, body = self._forwarded()
            if what == "cut" and self.command == "GET":
                self._reply(status, headers, body, body[: len(body) // 2])
                self._cut_off()
            else:
                self._reply(status, headers, body)

    do_HEAD = do_GET

    def _forwarded(self) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.target)
        try:
            connection.request(self.command, self.path, headers=dict(self.headers))
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def _reply(self, status: int, headers: dict[str, str], body: bytes, sent: bytes | None = None) -> None:
        self.send_response_only(status)
        kept = {k: v for k, v in headers.items() if k.lower() not in ("connection", "transfer-encoding")}
        if self.command != "HEAD" or "Content-Length" not in kept:
            kept["Content-Length"] = str(len(body))
        for name, value in kept.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if sent is None else sent)

    def _cut_off(self) -> None:
        """End the connection as a broken network does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def gate_before(port: int) -> Iterator[Gate]:
    gate = Gate(port)
    handler = type("Handler", (_Handler,), {"gate": gate})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    gate.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
