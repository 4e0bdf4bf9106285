"""A filter of a packet socket that leaves out TCP ports: a program of classic BPF for Ethernet frames.

Sources: the kernel's Documentation/networking/filter.rst, linux/bpf_common.h, socket(7) (SO_ATTACH_FILTER).
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Collection, Iterator, Sequence

SO_ATTACH_FILTER = 26
_LOAD_BYTE, _LOAD_HALF, _LOAD_HALF_INDEXED, _LOAD_HEADER_LENGTH = 0x30, 0x28, 0x48, 0xB1
_JUMP_EQUAL, _JUMP_SET, _RETURN = 0x15, 0x45, 0x06
_WHOLE, _NOTHING = 0x40000, 0
_IPV4, _IPV6, _TCP, _FRAGMENT = 0x0800, 0x86DD, 6, 0x1FFF
_INSTRUCTION = struct.Struct("=HBBI")
MOST_PORTS = 32
"""Jumps reach 255 instructions."""

Instruction = tuple[int, int, int, int]
"""Operation, instructions to jump over where true and where false, operand."""
_Line = tuple[int, int, str, str]
"""Operation, operand, and the labels to jump to where true and where false; empty: the next line."""


def leaving_out(ports: Collection[int]) -> list[Instruction]:
    """Return a program that admits all frames but those of these TCP ports, over IPv4 and IPv6.

    Later fragments have no ports, and headers behind extension headers of IPv6 are not found: these are admitted.
    Raises ValueError for more than MOST_PORTS.
    """
    if len(ports) > MOST_PORTS:
        raise ValueError(f"{len(ports)} ports: at most {MOST_PORTS} can be left out")
    kind: list[_Line] = [
        (_LOAD_HALF, 12, "", ""),
        (_JUMP_EQUAL, _IPV4, "four", ""),
        (_JUMP_EQUAL, _IPV6, "six", "admit"),
    ]
    four: list[_Line] = [
        (_LOAD_BYTE, 23, "", ""),
        (_JUMP_EQUAL, _TCP, "", "admit"),
        (_LOAD_HALF, 20, "", ""),
        (_JUMP_SET, _FRAGMENT, "admit", ""),
        (_LOAD_HEADER_LENGTH, 14, "", ""),
        *_compare(_LOAD_HALF_INDEXED, 14, ports),
        *_compare(_LOAD_HALF_INDEXED, 16, ports, otherwise="admit"),
    ]
    six: list[_Line] = [
        (_LOAD_BYTE, 20, "", ""),
        (_JUMP_EQUAL, _TCP, "", "admit"),
        *_compare(_LOAD_HALF, 54, ports),
        *_compare(_LOAD_HALF, 56, ports, otherwise="admit"),
    ]
    end: list[_Line] = [(_RETURN, _WHOLE, "", ""), (_RETURN, _NOTHING, "", "")]
    lines = [*kind, *four, *six, *end]
    places = {"four": 3, "six": 3 + len(four), "admit": len(lines) - 2, "drop": len(lines) - 1}
    return list(_assembled(lines, places))


def _compare(load: int, offset: int, ports: Collection[int], otherwise: str = "") -> Iterator[_Line]:
    """Drop where the port at an offset is one of these."""
    yield (load, offset, "", "")
    for number, port in enumerate(ports, 1):
        yield (_JUMP_EQUAL, port, "drop", otherwise if number == len(ports) else "")


def _assembled(lines: Sequence[_Line], places: dict[str, int]) -> Iterator[Instruction]:
    for index, (operation, operand, yes, no) in enumerate(lines, 1):
        yield operation, places[yes] - index if yes else 0, places[no] - index if no else 0, operand


def attach(target: socket.socket, program: Sequence[Instruction]) -> None:
    """Let the kernel filter what a packet socket receives. Raises OSError."""
    code = ctypes.create_string_buffer(
        b"".join(_INSTRUCTION.pack(operation, yes, no, operand) for operation, yes, no, operand in program)
    )
    target.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))
