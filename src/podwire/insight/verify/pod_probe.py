"""Try connections from where this program runs, and print each outcome: an outcome of `outcome.py` a line.

The text of this file is run by a container's own Python, so that it uses the standard library only. Standard input is a
JSON list of [address, port, protocol, seconds].
"""

from __future__ import annotations

import json
import socket
import sys
import threading

DNS_QUERY = b"\xbe\xef\x01\x00\x00\x01" + bytes(6) + b"\x0akubernetes\x00\x00\x01\x00\x01"
"""A name server answers a question, not any datagram: A of `kubernetes.` (RFC 1035, 4.1)."""
DATAGRAM = b"podwire verify\n"


def once(address: str, port: int, protocol: str, seconds: float) -> str:
    """One attempt."""
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    if protocol not in ("TCP", "UDP"):
        return "error"
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as client:
            client.settimeout(seconds)
            client.connect((address, port))
            if protocol == "UDP":
                client.send(DNS_QUERY if port == 53 else DATAGRAM)
                client.recv(2048)
    except ConnectionRefusedError:
        return "closed"
    except TimeoutError:
        return "silent"
    except OSError as error:
        return "unreachable" if "route" in str(error) or "unreachable" in str(error) else "error"
    return "open"


def main() -> None:
    """Try all at the same time."""
    desired = json.load(sys.stdin)
    found = ["error"] * len(desired)

    def work(number: int) -> None:
        found[number] = once(*desired[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(desired))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write("".join(f"{one}\n" for one in found))


if __name__ == "__main__":
    main()
