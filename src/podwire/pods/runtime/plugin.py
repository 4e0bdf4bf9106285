"""The CNI plugin: hands its environment and input to the node's agent and prints the answer.

This file is installed alone, as an executable that runs without site-packages (`python -IS`). A runtime starts it for
every pod, so it loads next to nothing: `_socket`, `posix` and `_json` are the C halves of socket, os and json, which
would more than double the start-up time. Where podwire's installation has it, the compiled plugin takes its place
(src/podwire-cni), which behaves as this one: the same tests run over both. Source: CNI specification 1.1.0
(github.com/containernetworking/cni, SPEC.md).
"""

import sys
from _socket import AF_UNIX, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, socket
from posix import environ, read, write

SUPPORTED_VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
SOCKET_KEY = "podwire.socket"
"""The key of the network configuration with the path of the agent's socket."""

PATIENCE_SECONDS = 100.0
STATUS_SECONDS = 10.0
"""Patience for an answer; that to STATUS is short, as a runtime's node waits for it."""
AWAY_SECONDS = 30.0
"""How long ADD and DEL wait for an agent that restarts."""
RETRY_SECONDS = 0.1
SO_NETNS_COOKIE = 71
"""Linux 5.14 and later. Source: include/uapi/asm-generic/socket.h."""
BAD_ENVIRONMENT = 4
DECODE_FAILURE = 6
INVALID_CONFIGURATION = 7
TRY_AGAIN_LATER = 11
NOT_AVAILABLE = 50
_INPUT_LIMIT = 16 << 20


class PluginError(Exception):
    """Ends the plugin with a CNI error."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(code, message, details)
        self.answer = {"code": code, "msg": message, "details": details}


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


class _Scanner:
    """The settings that json.JSONDecoder gives to its scanner; as RFC 8259 has it, without NaN and Infinity."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = _refuse
    memo: dict[str, str] = {}  # noqa: RUF012  (json.decoder's own shape)


def decode(text: str) -> object:
    """The value of a JSON text. Raises ValueError, RecursionError."""
    text = text.strip(" \t\r\n")
    try:
        from _json import make_scanner

        value, end = make_scanner(_Scanner)(text, 0)  # type: ignore[arg-type]  # any object with these settings
        if end == len(text):
            return value
    except (ImportError, StopIteration, SystemError):
        pass  # json names what is wrong
    import json

    return json.loads(text)


def read_configuration(data: bytes) -> dict[str, object]:
    """The network configuration on standard input."""
    try:
        configuration = decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise PluginError(
            DECODE_FAILURE, "the network configuration on standard input is no JSON", str(error)
        ) from None
    if not isinstance(configuration, dict):
        raise PluginError(DECODE_FAILURE, "the network configuration on standard input is no JSON object")
    return configuration


def text_of(configuration: dict[str, object], key: str) -> str:
    """The string at a key; empty where there is none, or one that no path and no output can hold."""
    value = configuration.get(key)
    if not isinstance(value, str) or "\0" in value:
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return ""
    return value


def exchange(path: str, frame: bytes, patience: float) -> bytes:
    """Send a request to the agent and return its answer, empty where it ended before. Raises OSError."""
    agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    agent.settimeout(patience)
    try:
        agent.connect(path)
        agent.sendall(frame)
        agent.shutdown(SHUT_WR)
        parts = []
        while part := agent.recv(1 << 16):
            parts.append(part)
    finally:
        agent.close()
    return b"".join(parts)


def network_number() -> int:
    """The number of this network namespace, which no other one has before the next boot. Raises OSError."""
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        return int.from_bytes(probe.getsockopt(SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)
    finally:
        probe.close()


def is_marked(path: str) -> bool:
    """Whether the agent left the mark that this node's network is set up, and it is still valid (`ready_mark.py`)."""
    import time

    try:
        with open(path + ".ready") as file:
            place, _, expiry = file.read(256).strip().rpartition(" ")
        with open("/proc/sys/kernel/random/boot_id") as file:
            here = f"{file.read().strip()} {network_number()}"
        return place == here and int(expiry) > time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, ValueError):
        return False


def request(command: str, path: str, data: bytes) -> bytes:
    """The agent's answer. While it restarts, that to STATUS is success, and ADD and DEL are sent again.

    The frame is what `cni.py` reads: the CNI variables as NAME=value with a zero byte between them, two zero bytes, the
    input.
    """
    variables = [name + b"=" + value for name, value in environ.items() if name.startswith(b"CNI_")]
    frame = b"\0".join(variables) + b"\0\0" + data
    tries_left = round(AWAY_SECONDS / RETRY_SECONDS) if command in ("ADD", "DEL") else 0
    while True:
        try:
            if answer := exchange(path, frame, STATUS_SECONDS if command == "STATUS" else PATIENCE_SECONDS):
                return answer
            failure = "it ended before it had answered"
        except TimeoutError as error:
            failure, tries_left = str(error), 0
        except OSError as error:
            failure = str(error)
        marked = is_marked(path)
        if marked and command == "STATUS":
            return b"\0"
        if not marked or not tries_left:
            reason = f"the podwire agent does not answer at {path}: is it running on this node?"
            raise PluginError(NOT_AVAILABLE if command == "STATUS" else TRY_AGAIN_LATER, reason, failure)
        pause()
        tries_left -= 1


def pause() -> None:
    """Give the agent time to start."""
    import time

    time.sleep(RETRY_SECONDS)


def serve(data: bytes) -> tuple[int, bytes]:
    """Exit status and standard output."""
    command = environ.get(b"CNI_COMMAND", b"").decode("utf-8", "replace")
    if not command:
        raise PluginError(BAD_ENVIRONMENT, "CNI_COMMAND is not set: a container runtime starts this program")
    configuration = read_configuration(data)
    if command == "VERSION":
        import json

        version = text_of(configuration, "cniVersion") or SUPPORTED_VERSIONS[-1]
        return 0, json.dumps({"cniVersion": version, "supportedVersions": SUPPORTED_VERSIONS}).encode()
    path = text_of(configuration, SOCKET_KEY)
    if not path.startswith("/"):
        raise PluginError(
            INVALID_CONFIGURATION, f"{SOCKET_KEY}: the network configuration must name the agent's socket (a full path)"
        )
    answer = request(command, path, data)
    return answer[0], answer[1:]


def read_input() -> bytes:
    """All of standard input, up to a limit."""
    parts, size = [], 0
    while part := read(0, 1 << 16):
        parts.append(part)
        size += len(part)
        if size > _INPUT_LIMIT:
            raise PluginError(INVALID_CONFIGURATION, f"the network configuration is longer than {_INPUT_LIMIT} bytes")
    return b"".join(parts)


def main() -> int:
    """Serve one call of a runtime; answers the exit status."""
    data = b""
    try:
        data = read_input()
        status, output = serve(data)
    except PluginError as error:
        import json

        status, output = 1, json.dumps({"cniVersion": _version(data), **error.answer}).encode()
    while output:
        output = output[write(1, output) :]
    return status


def _version(data: bytes) -> str:
    """The version to answer an error in: that of the configuration where it can be read."""
    try:
        return text_of(read_configuration(data), "cniVersion") or SUPPORTED_VERSIONS[-1]
    except PluginError:
        return SUPPORTED_VERSIONS[-1]


if __name__ == "__main__":
    sys.exit(main())
