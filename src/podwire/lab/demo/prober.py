"""Connect to targets from inside a pod and report the outcomes as JSON on standard output.

The text of this file is run by the container's own python3, so it uses the standard library only. Its one argument is
a JSON list of targets: {"id", "host", "port", "protocol", "times", "seconds"}. Names are resolved by the pod's own
resolv.conf; protocol NAME does nothing else. Outcomes: answered, refused, timeout, no-name, error.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from typing import Any

REQUEST = b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"


def first_line_with(word: str, text: str) -> str:
    """The rest of the first line that begins with a word, such as the `pod:` line of a stand-in's answer."""
    for line in text.splitlines():
        if line.startswith(word):
            return line[len(word) :].strip()
    return ""


def resolve(host: str, port: int, kind: int) -> Any:
    """The first address of a name, as the pod's resolver gives it."""
    return socket.getaddrinfo(host, port, type=kind)[0]


def exchange(family: int, kind: int, address: Any, seconds: float) -> bytes:
    """Connect, send a request, and answer everything that comes back."""
    with socket.socket(family, kind) as client:
        client.settimeout(seconds)
        client.connect(address)
        client.sendall(REQUEST if kind == socket.SOCK_STREAM else b"who are you\n")
        if kind == socket.SOCK_DGRAM:
            return client.recv(65536)
        chunks = []
        while chunk := client.recv(65536):
            chunks.append(chunk)
        return b"".join(chunks)


def once(target: dict[str, Any]) -> dict[str, Any]:
    """One attempt: what came of it, who answered, and how long it took."""
    kind = socket.SOCK_DGRAM if target["protocol"] == "UDP" else socket.SOCK_STREAM
    began = time.monotonic()
    text, outcome = "", "answered"
    try:
        family, _, _, _, address = resolve(target["host"], target["port"], kind)
        if target["protocol"] != "NAME":
            text = exchange(family, kind, address, target["seconds"]).decode("utf-8", "replace")
    except socket.gaierror:
        outcome = "no-name"
    except ConnectionRefusedError:
        outcome = "refused"
    except TimeoutError:
        outcome = "timeout"
    except OSError as error:
        outcome, text = "error", str(error)
    taken = round((time.monotonic() - began) * 1000, 1)
    return {"outcome": outcome, "by": first_line_with("pod:", text), "milliseconds": taken}


def main() -> None:
    """Try all targets at the same time; each of them as often as it specifies."""
    targets = json.loads(sys.argv[1])
    results: dict[str, list[dict[str, Any]]] = {target["id"]: [] for target in targets}

    def work(target: dict[str, Any]) -> None:
        for _ in range(target.get("times", 1)):
            results[target["id"]].append(once(target))

    threads = [threading.Thread(target=work, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
