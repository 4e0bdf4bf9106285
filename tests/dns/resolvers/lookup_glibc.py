"""Look names up with glibc's resolver, as Python does: one line a name, with its addresses."""

import contextlib
import socket
import sys

for name in sys.argv[1:]:
    found: list[str] = []
    with contextlib.suppress(socket.gaierror):
        found = [str(one[4][0]) for one in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    sys.stdout.write(" ".join((name, *found)) + "\n")
