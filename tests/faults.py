"""A server on loopback with every fault that a picture's server can have, one a path."""

import gzip
import socket
import socketserver
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from conftest import jpeg

PHOTO = jpeg(500)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close sends a reset


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    fields = {"Content-Type": "image/jpeg", "Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def png_bomb() -> bytes:
    """A PNG that claims 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (50_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def reset(sock: socket.socket) -> None:
    sock.sendall(answer(PHOTO)[:4000])
    time.sleep(0.05)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def drip(data: bytes, pause_s: float = 0.05) -> Callable[[socket.socket], None]:
    def send(sock: socket.socket) -> None:
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(pause_s)

    return send


def stall(sock: socket.socket) -> None:
    time.sleep(3)


Fault = bytes | Callable[[socket.socket], None]

# path -> what is sent, the reason that it ends with, and whether a later run tries again
FAULTS: dict[str, tuple[Fault, str, bool]] = {
    "/reset": (reset, "broken-off", True),
    "/drip": (drip(answer(PHOTO)), "timeout", True),
    "/drip-headers": (drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000), "timeout", True),
    "/stall": (stall, "timeout", True),
    "/length-too-long": (answer(PHOTO, Content_Length=str(len(PHOTO) + 500)), "broken-off", True),
    "/length-too-short": (answer(PHOTO, Content_Length=str(len(PHOTO) - 2000)), "damaged", False),
    "/length-huge": (answer(PHOTO, Content_Length="99000000000"), "too-large", False),
    "/truncated": (answer(PHOTO[:-2000]), "damaged", False),
    "/html": (answer(b"<!doctype html><title>Sign in</title>"), "not-a-picture", False),
    "/json": (answer(b'{"error": "no such picture"}'), "not-a-picture", False),
    "/empty": (answer(b""), "empty", True),
    "/gzip-bomb": (
        answer(gzip.compress(b"\0" * 200_000_000, 9), Content_Encoding="gzip"), "too-large", False
    ),
    "/gzip-broken": (answer(b"\x1f\x8bnonsense", Content_Encoding="gzip"), "broken-off", False),
    "/png-bomb": (answer(png_bomb(), Content_Type="image/png"), "too-many-pixels", False),
    "/no-http": (b"SSH-2.0-OpenSSH_9.2\r\n", "broken-off", True),
    "/loop": (answer(b"", "302 Found", Location="/loop"), "too-many-redirects", False),
    "/to-loopback": (answer(b"", "302 Found", Location="http://127.0.0.1:9/x.jpg"), "private-address", False),
    "/to-metadata": (answer(b"", "302 Found", Location="http://169.254.169.254/latest/"), "private-address", False),
    "/to-file": (answer(b"", "302 Found", Location="file:///etc/passwd"), "bad-url", False),
    "/noai": (answer(PHOTO, X_Robots_Tag="noai, noimageai"), "robots-tag", False),
    **{
        f"/{code}": (answer(b"no", f"{code} No"), f"http-{code}", code in {429, 500, 503})
        for code in (401, 403, 404, 410, 429, 500, 503)
    },
}  # fmt: skip


@dataclass
class FaultServer:
    """`asked` counts the requests for each path."""

    port: int
    asked: Counter[str] = field(default_factory=Counter)
    moments: list[tuple[str, float]] = field(default_factory=list)
    connections: int = 0
    answers: dict[str, Callable[[int], Fault]] = field(default_factory=dict)  # more paths: the n-th request's answer

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def fault_server() -> Iterator[FaultServer]:
    lock = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with lock:
                served.connections += 1
            while line := self.rfile.readline():
                path = line.split()[1].decode("latin-1") if line.count(b" ") > 1 else "?"
                while self.rfile.readline().strip():
                    pass
                with lock:
                    served.asked[path] += 1
                    count = served.asked[path]
                    served.moments.append((path, time.monotonic()))
                if path in served.answers:
                    fault = served.answers[path](count)
                else:
                    fault = FAULTS.get(path, (answer(PHOTO), "", False))[0]
                if callable(fault):
                    fault(self.connection)
                else:
                    self.connection.sendall(fault)
                if callable(fault) or b"Connection: close" in fault[:500] or not fault.startswith(b"HTTP"):
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, address: object) -> None:
            pass  # a client that hangs up is what is tested

    with Server(("127.0.0.1", 0), Handler) as server:
        served = FaultServer(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield served
        server.shutdown()
