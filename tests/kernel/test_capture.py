"""Captures of packets in a sandbox: their limits, and ports that are left out."""

from __future__ import annotations

import io
import os
import socket
import threading

import pytest

from podwire.kernel import pcap
from podwire.kernel.capture import Limits, capture
from podwire.kernel.packet_filter import MOST_PORTS, leaving_out
from tests.sandbox import sandboxed


def try_ports(*addresses: tuple[str, int]) -> None:
    """Send a SYN to each closed port: a packet and its refusal."""
    for address, port in addresses:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as client:
            client.connect_ex((address, port))


def captured(limits: Limits, *addresses: tuple[str, int]) -> bytes:
    """What is captured on lo until a limit while these ports are tried, from the moment when it listens."""
    thread = threading.Thread(target=try_ports, args=addresses)

    class Started(io.BytesIO):
        def flush(self) -> None:
            if self.tell() == pcap.HEADER_BYTES:
                thread.start()

    output = Started()
    capture("lo", output, limits)
    thread.join()
    return output.getvalue()


def has(packets: bytes, port: int) -> bool:
    return port.to_bytes(2, "big") in packets


@sandboxed
def test_ports_are_left_out_of_both_families() -> None:
    """Each try is a packet and its refusal, on lo sent and received: four. The last one ends the capture."""
    tried = (("127.0.0.1", 1001), ("127.0.0.1", 1002), ("::1", 1001), ("::1", 1002), ("127.0.0.1", 1003))
    whole = captured(Limits(count=20, seconds=20), *tried)
    assert all(has(whole, port) for port in (1001, 1002, 1003))
    some = captured(Limits(count=12, seconds=20, without_ports=(1001, 5)), *tried)
    assert [has(some, port) for port in (1001, 1002, 1003)] == [False, True, True]
    few = captured(Limits(count=4, seconds=20, without_ports=(1001, 1002)), *tried)
    assert [has(few, port) for port in (1001, 1002, 1003)] == [False, False, True]


@sandboxed
def test_a_capture_ends_with_the_input_that_it_waits_for() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    output = io.BytesIO()
    assert capture("lo", output, Limits(seconds=20, until_end_of=reader)) == 0
    os.close(reader)


@sandboxed
def test_a_capture_ends_after_its_count_and_its_time() -> None:
    assert len(captured(Limits(count=1, seconds=20), ("127.0.0.1", 1001), ("127.0.0.1", 1002))) < 200
    output = io.BytesIO()
    assert capture("lo", output, Limits(seconds=0.01)) == 0
    assert output.getvalue() == pcap.header()


def test_a_program_has_a_limit() -> None:
    assert max(jump for line in leaving_out(range(1, MOST_PORTS + 1)) for jump in line[1:3]) < 256
    with pytest.raises(ValueError, match="at most 32 can be left out"):
        leaving_out(range(MOST_PORTS + 1))
