"""Answer who this pod is, by HTTP on each port of the command line: `server.py PORT...`.

Connections are kept as long as the client keeps them, so that a client sees when one is cut.
"""

from __future__ import annotations

import socket
import sys
import threading

LONGEST_REQUEST = 65536


def answer() -> bytes:
    """The only answer."""
    body = f"pod: {socket.gethostname()}\n".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def serve(connection: socket.socket) -> None:
    """Answer each request of a connection, until one wants it closed."""
    with connection:
        waiting = b""
        while chunk := connection.recv(LONGEST_REQUEST):
            waiting += chunk
            while b"\r\n\r\n" in waiting:
                request, _, waiting = waiting.partition(b"\r\n\r\n")
                connection.sendall(answer())
                if b"connection: close" in request.lower():
                    return


def guarded(connection: socket.socket) -> None:
    """The same, for clients that end a connection in the middle."""
    try:
        serve(connection)
    except OSError:
        return


def accept(listener: socket.socket) -> None:
    """Serve every connection of a port."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=guarded, args=(connection,), daemon=True).start()


def main() -> None:
    """Listen on all ports, of both families."""
    threads = []
    for port in map(int, sys.argv[1:]):
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
        threads.append(threading.Thread(target=accept, args=(listener,)))
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
