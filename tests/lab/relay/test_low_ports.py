import errno
import os
import socket

import pytest

from podwire.lab.relay import low_ports
from tests.sandbox import sandboxed


def started() -> tuple[socket.socket, int]:
    descriptor, pid = low_ports.start()
    return socket.socket(fileno=descriptor), pid


@sandboxed
def test_it_binds_low_ports_of_loopback_for_others() -> None:
    server, pid = started()
    with low_ports.request(server, "TCP", "127.9.8.7", 80) as listener:
        assert listener.getsockname() == ("127.9.8.7", 80)
        with socket.create_connection(("127.9.8.7", 80), timeout=30):
            pass
        with low_ports.request(server, "UDP", "127.9.8.7", 53) as udp:
            assert udp.type == socket.SOCK_DGRAM
        with pytest.raises(OSError, match="in use") as taken:
            low_ports.request(server, "TCP", "127.9.8.7", 80)
        assert taken.value.errno == errno.EADDRINUSE
    server.close()
    assert os.waitpid(pid, 0)[1] == 0, "it ends with the last client"


@sandboxed
def test_it_binds_nothing_else() -> None:
    server, pid = started()
    for wanted in ("TCP 0.0.0.0 80", "TCP 10.0.0.1 80", "TCP 127.0.0.1 1024", "RAW 127.0.0.1 1", "TCP ::1 80"):
        protocol, address, port = wanted.split()
        with pytest.raises(OSError, match="Invalid"):
            low_ports.request(server, protocol, address, int(port))
    server.send(b"{")
    server.send(b"[1]")
    low_ports.request(server, "TCP", "127.0.0.1", 1023).close()
    server.close()
    os.waitpid(pid, 0)


@sandboxed
def test_the_answer_to_a_client_that_died_is_skipped() -> None:
    server, pid = started()
    server.send(b'["TCP", "127.0.0.1", 81]')
    with low_ports.request(server, "TCP", "127.0.0.1", 82) as listener:
        assert listener.getsockname()[1] == 82
    with low_ports.request(server, "TCP", "127.0.0.1", 81) as listener:
        assert listener.getsockname()[1] == 81, "the skipped one is closed"
    server.close()
    os.waitpid(pid, 0)


@sandboxed
def test_it_keeps_one_capability() -> None:
    server, pid = started()
    low_ports.request(server, "TCP", "127.0.0.1", 80).close()
    with open(f"/proc/{pid}/status") as file:
        held = next(line for line in file if line.startswith("CapEff"))
    assert int(held.split()[1], 16) == 1 << 10
    server.close()
    os.waitpid(pid, 0)


@sandboxed
def test_it_is_of_use_where_the_kernel_reserves_low_ports() -> None:
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r+") as file:
        assert low_ports.is_of_use()
        file.write("0")
        file.flush()
        assert not low_ports.is_of_use()


@sandboxed
def test_without_it_the_reason_is_that_it_ended() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with pytest.raises(OSError, match=r"pipe|ended"):
        low_ports.request(ours, "TCP", "127.0.0.1", 80)
    ours.close()
