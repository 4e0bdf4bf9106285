"""The protocol between the kubelet and a pod's shim: one JSON message a packet, with descriptors beside it.

A connection carries one request; closing it ends what that started, except Apply and Stop.

    request      descriptors            answers
    Watch        -                      PodState, again after each change
    Apply        -                      Done: the plan in the pod's folder counts from now on
    Stop         -                      Done: SIGTERM, to sidecars last, SIGKILL after the grace; nothing starts again
    Kill         -                      Done: the same for one container, whose policy then decides
    Pass         -                      Done: this sidecar has started, what is behind it may start
    Execute      stdin, stdout, stderr  Exited or Failed; with a terminal none, and first Terminal with our end of it
    CloseInput   -                      Done
    Quit         -                      none: the shim ends, containers do not
"""

from __future__ import annotations

import msgspec

from podwire.lab.container.plan import Struct
from podwire.lab.shim.lifecycle import Record


class Watch(Struct, frozen=True, kw_only=True, tag="watch"):
    """Request the pod's state now and after each change."""


class Apply(Struct, frozen=True, kw_only=True, tag="apply"):
    """There is a new plan."""


class Stop(Struct, frozen=True, kw_only=True, tag="stop"):
    """End the pod."""

    grace_seconds: float


class Kill(Struct, frozen=True, kw_only=True, tag="kill"):
    """End one container."""

    container: str
    grace_seconds: float


class Pass(Struct, frozen=True, kw_only=True, tag="pass"):
    """The startup probe of a sidecar succeeded."""

    container: str


class Execute(Struct, frozen=True, kw_only=True, tag="execute"):
    """Run a command in a container."""

    container: str
    command: tuple[str, ...]
    terminal: bool = False


class CloseInput(Struct, frozen=True, kw_only=True, tag="close-input"):
    """The container's standard input has ended."""

    container: str


class Quit(Struct, frozen=True, kw_only=True, tag="quit"):
    """You are no longer needed."""


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """The request is done."""


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """The request failed, and why."""

    message: str


class Terminal(Struct, frozen=True, kw_only=True, tag="terminal"):
    """Our end of a command's terminal comes with this message."""


class Exited(Struct, frozen=True, kw_only=True, tag="exited"):
    """How a command ended: its exit code, 128 and the signal's number where a signal ended it."""

    code: int


class PodState(Struct, frozen=True, kw_only=True, tag="state"):
    """All records of a pod."""

    records: tuple[Record, ...] = ()
    stopping: bool = False
    finished: bool = False


Request = Watch | Apply | Stop | Kill | Pass | Execute | CloseInput | Quit
Answer = Done | Failed | Terminal | Exited | PodState
Message = Request | Answer

_decoder = msgspec.json.Decoder(Message)


def decode(packet: bytes) -> Message:
    """Read a packet; raises msgspec.MsgspecError where it is none."""
    message: Message = _decoder.decode(packet)
    return message


def encode(message: Message) -> bytes:
    """The message as a packet."""
    return msgspec.json.encode(message)
