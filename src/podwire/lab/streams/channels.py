"""The Kubernetes channel protocols over WebSocket, without a socket: frames in, events out, and back.

    channel   v1   v4   v5   content
    0         in   in   in   standard input
    1, 2      out  out  out  standard output, standard error
    3         out  out  out  the last frame: one Status as JSON; in v1 the text of an error, or nothing
    4         in   in   in   terminal size {"Width", "Height"}
    255       -    -    in   the channel with this number has ended

v1 is `channel.k8s.io`.

Source: k8s.io/apimachinery `pkg/util/remotecommand`, k8s.io/apiserver `util/wsstream`, KEP-4006.
"""

from __future__ import annotations

import enum

import msgspec

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
V1 = "channel.k8s.io"
PROTOCOLS = (V5, V4, V1)


class Channel(enum.IntEnum):
    """The first byte of a message."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    STATUS = 3
    RESIZE = 4
    CLOSE = 255


class Input(msgspec.Struct, frozen=True):
    """Bytes for the standard input."""

    data: bytes


class InputEnded(msgspec.Struct, frozen=True):
    """The standard input has ended."""


class Resized(msgspec.Struct, frozen=True):
    """The terminal has a new size, in characters."""

    width: int
    height: int


Event = Input | InputEnded | Resized


class _Outcome(msgspec.Struct):
    status: str
    message: str = ""


class _Size(msgspec.Struct):
    width: int = msgspec.field(name="Width")
    height: int = msgspec.field(name="Height")


def event(protocol: str, message: bytes) -> Event | None:
    """What a client's message means; None for an empty or meaningless one."""
    if not message:
        return None
    channel, content = message[0], message[1:]
    if channel == Channel.STDIN:
        return Input(content) if content else None
    if channel == Channel.RESIZE:
        return _resized(content)
    if channel == Channel.CLOSE and protocol == V5 and content[:1] == bytes([Channel.STDIN]):
        return InputEnded()
    return None


def _resized(content: bytes) -> Resized | None:
    try:
        size = msgspec.json.decode(content, type=_Size)
    except msgspec.MsgspecError:
        return None
    largest = 0xFFFF  # of a struct winsize
    return Resized(min(max(size.width, 0), largest), min(max(size.height, 0), largest))


def frame(channel: Channel, data: bytes) -> bytes:
    """A message for the client."""
    return bytes([channel]) + data


def opened(*, stdout: bool, stderr: bool) -> bytes:
    """The first frame: empty, on the first channel that is requested. Clients wait for it.

    Source: k8s.io/kubelet `pkg/cri/streaming/remotecommand/websocket.go`.
    """
    return frame(Channel.STDOUT if stdout else Channel.STDERR if stderr else Channel.STATUS, b"")


def last_frame(protocol: str, status: bytes) -> bytes:
    """Return how a frame of `exited` or `failed` is sent in a protocol; empty where nothing is."""
    if protocol != V1:
        return status
    content = msgspec.json.decode(status[1:], type=_Outcome)
    return b"" if content.status == "Success" else frame(Channel.STATUS, content.message.encode())


def exited(code: int) -> bytes:
    """The last frame of a command that ran; clients read the first cause for the exit code."""
    if code == 0:
        return _status({"status": "Success"})
    cause = {"reason": "ExitCode", "message": str(code)}
    return _status(
        {
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [cause]},
        }
    )


def failed(message: str) -> bytes:
    """The last frame of a command that could not be run."""
    return _status({"status": "Failure", "message": message, "reason": "InternalError", "code": 500})


def _status(content: dict[str, object]) -> bytes:
    whole = {"kind": "Status", "apiVersion": "v1", "metadata": {}, **content}
    return frame(Channel.STATUS, msgspec.json.encode(whole))
