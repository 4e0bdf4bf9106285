"""Try one connection from inside a pod's network and print the outcome.

The text of this file is run by a bare Python in that network, so it uses the standard library only. Arguments: host,
port, protocol (TCP or UDP), seconds. Outcomes: open (a connection was made, or a datagram came back), refused, silent,
no-name, or the error of the operating system.
"""

from __future__ import annotations

import socket
import sys

GREETING = b"who are you\n"


def try_connection(host: str, port: int, protocol: str, seconds: float) -> str:
    """One try."""
    kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
    except socket.gaierror:
        return "no-name"
    with socket.socket(family, kind) as client:
        client.settimeout(seconds)
        try:
            client.connect(address)
            if kind == socket.SOCK_DGRAM:
                client.send(GREETING)
                client.recv(65536)
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silent"
        except OSError as error:
            return str(error)
    return "open"


if __name__ == "__main__":
    sys.stdout.write(try_connection(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
