"""Clients that run inside a world and count what they lose: a script of the standard library that `traffic.py` starts.

    client_program.py requests ADDRESS PORT   a connection for each request, one after the other
    client_program.py flow ADDRESS PORT       datagrams of one socket, one each 20 ms
    client_program.py held ADDRESS PORT       one connection that stays open, a line each 20 ms

It prints `from POD` with the first answer of each pod, and runs until its standard input ends; then it prints JSON.
"""

import json
import select
import socket
import sys
import time
from collections.abc import Callable

PATIENCE_SECONDS = 2.0
PAUSE_SECONDS = 0.02


def over() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def pod_of(answer: bytes) -> str:
    """The pod that a stand-in names; `?` in an echo of plain TCP."""
    lines = answer.decode(errors="replace").splitlines()
    return next((line.rpartition("/")[2] for line in lines if line.startswith("pod: ")), "?")


class Count:
    """Answers by pod, errors, and the longest time without an answer."""

    def __init__(self) -> None:
        self.by: dict[str, int] = {}
        self.lost: list[str] = []
        self.gap = 0.0
        self.newest = 0.0

    def answered(self, answer: bytes) -> None:
        now, pod = time.monotonic(), pod_of(answer)
        if self.by:
            self.gap = max(self.gap, now - self.newest)
        self.newest = now
        if pod not in self.by:
            say(f"from {pod}")
        self.by[pod] = self.by.get(pod, 0) + 1


def request(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), PATIENCE_SECONDS) as link:
        link.sendall(b"GET / HTTP/1.0\r\nHost: web\r\n\r\n")
        answer = b""
        while data := link.recv(65536):
            answer += data
    if b" 200 " not in answer[:20]:
        raise OSError(f"answered {answer[:60]!r}")
    return answer


def requests(address: str, port: int, count: Count) -> None:
    while not over():
        try:
            count.answered(request(address, port))
        except OSError as error:
            if count.by:
                count.lost.append(f"{time.time():.3f} {type(error).__name__}: {error}")
            else:
                time.sleep(PAUSE_SECONDS)


def flow(address: str, port: int, count: Count) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.connect((address, port))
        while not over():
            try:
                link.send(b"x")
                time.sleep(PAUSE_SECONDS)
                while select.select([link], [], [], 0)[0]:
                    count.answered(link.recv(65536))
            except OSError as error:
                count.lost.append(f"{time.time():.3f} {type(error).__name__}: {error}")
                time.sleep(PAUSE_SECONDS)


def echo(link: socket.socket) -> bytes:
    link.sendall(b"still there?\n")
    answer = link.recv(65536)
    if not answer:
        raise OSError("closed")
    return answer


def held(address: str, port: int, count: Count) -> None:
    with socket.create_connection((address, port), PATIENCE_SECONDS) as link:
        while not over():
            try:
                count.answered(echo(link))
            except OSError as error:
                count.lost.append(f"{time.time():.3f} {type(error).__name__}: {error}")
                sys.stdin.read()
                return
            time.sleep(PAUSE_SECONDS)


KINDS: dict[str, Callable[[str, int, Count], None]] = {"requests": requests, "flow": flow, "held": held}


def main(kind: str, address: str, port: str) -> None:
    count = Count()
    KINDS[kind](address, int(port), count)
    say(json.dumps({"by": count.by, "lost": count.lost, "gap": count.gap}))


if __name__ == "__main__":
    main(*sys.argv[1:])
