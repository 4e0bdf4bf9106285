"""The CNI protocol without any input or output: a plugin's frame becomes a request, an outcome becomes its JSON.

Source: CNI specification 1.1.0 (github.com/containernetworking/cni, SPEC.md); older result types from its 0.3.1, 0.4.0
and 1.0.0.
"""

from __future__ import annotations

import enum
import json
import re
from typing import Any

import msgspec

from podwire.pods.attachment import NO_POD, AttachmentKey, PodIdentity
from podwire.pods.runtime.plugin import SUPPORTED_VERSIONS

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
_INTERFACE = re.compile(r"[^/:\s]{1,15}")


class Code(enum.IntEnum):
    """Error codes of the specification; from 100 on they are the plugin's own."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    UNKNOWN_CONTAINER = 3
    BAD_ENVIRONMENT = 4
    INPUT_OUTPUT = 5
    DECODE_FAILURE = 6
    INVALID_CONFIGURATION = 7
    TRY_AGAIN_LATER = 11
    NOT_AVAILABLE = 50
    LIMITED = 51
    DIFFERENT = 100


class CniError(Exception):
    """An outcome other than success. `message` names what is wrong and what to do, `details` is for the log."""

    def __init__(self, code: Code, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class Command(enum.Enum):
    """What a runtime can ask for, but for VERSION, which the executable answers by itself."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    STATUS = "STATUS"
    GC = "GC"


class _Operation(msgspec.Struct, frozen=True):
    """The environment that a command needs, and the version of the specification that brought it."""

    variables: tuple[str, ...]
    since: str


_OPERATIONS = {
    Command.ADD: _Operation(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"), "0.3.1"),
    Command.DEL: _Operation(("CNI_CONTAINERID", "CNI_IFNAME"), "0.3.1"),
    Command.CHECK: _Operation(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"), "0.4.0"),
    Command.STATUS: _Operation((), "1.1.0"),
    Command.GC: _Operation((), "1.1.0"),
}


class Interface(msgspec.Struct, frozen=True, omit_defaults=True):
    """An interface of a result; `sandbox` is the network namespace, empty for one on the node."""

    name: str
    mac: str = ""
    mtu: int = 0
    sandbox: str = ""


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """An address of a result, in CIDR form; `interface` is an index into its interfaces."""

    address: str
    gateway: str = ""
    interface: int | None = None


class RouteEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A route of a result."""

    dst: str
    gw: str = ""


class Result(msgspec.Struct, frozen=True):
    """What ADD made."""

    interfaces: tuple[Interface, ...] = ()
    ips: tuple[Address, ...] = ()
    routes: tuple[RouteEntry, ...] = ()


class ValidAttachment(msgspec.Struct, frozen=True, rename={"container": "containerID", "interface": "ifname"}):
    """An attachment that the runtime still wants."""

    container: str
    interface: str


class Configuration(msgspec.Struct, frozen=True, rename="camel"):
    """The network configuration as podwire reads it; other keys are left alone."""

    cni_version: str = SUPPORTED_VERSIONS[0]
    name: str = ""
    prev_result: msgspec.Raw = msgspec.Raw(b"null")
    valid_attachments: tuple[ValidAttachment, ...] | None = msgspec.field(
        default=None, name="cni.dev/valid-attachments"
    )


class Request(msgspec.Struct, frozen=True):
    """A call of a runtime. `key` is set for ADD, DEL and CHECK; `valid` for GC.

    `previous` is what earlier plugins, or the last ADD, answered; `raw_previous` has the keys that podwire does not
    read too.
    """

    command: Command
    version: str
    key: AttachmentKey | None = None
    netns: str = ""
    pod: PodIdentity = NO_POD
    previous: Result | None = None
    raw_previous: dict[str, Any] = msgspec.field(default_factory=dict)
    valid: frozenset[AttachmentKey] = frozenset()


def decode(frame: bytes) -> Request:
    """The request in a plugin's frame. Raises CniError."""
    head, _, body = frame.partition(b"\0\0")
    variables = dict(item.partition("=")[::2] for item in head.decode("utf-8", "replace").split("\0"))
    configuration = _configuration(body)
    command = _command(variables.get("CNI_COMMAND", ""), configuration.cni_version)
    for name in _OPERATIONS[command].variables:
        if not variables.get(name):
            raise CniError(Code.BAD_ENVIRONMENT, f"{name} is not set; {command.value} needs it")
    if not _IDENTIFIER.fullmatch(configuration.name):
        raise CniError(Code.INVALID_CONFIGURATION, f"name {configuration.name!r}: letters, digits, '_', '.', '-' only")
    key = _key(variables) if _OPERATIONS[command].variables else None
    return Request(
        command=command,
        version=configuration.cni_version,
        key=key,
        netns=variables.get("CNI_NETNS", ""),
        pod=_pod(variables.get("CNI_ARGS", "")),
        previous=_read(configuration.prev_result, Result | None),
        raw_previous=_read(configuration.prev_result, dict[str, Any] | None) or {},
        valid=_valid(configuration) if command is Command.GC else frozenset(),
    )


def _configuration(body: bytes) -> Configuration:
    try:
        return msgspec.json.decode(body, type=Configuration)
    except msgspec.ValidationError as error:
        raise CniError(Code.INVALID_CONFIGURATION, f"network configuration: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise CniError(Code.DECODE_FAILURE, "the network configuration is no JSON", str(error)) from None


def _read(raw: msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise CniError(Code.INVALID_CONFIGURATION, f"prevResult: {error}") from None


def _command(word: str, version: str) -> Command:
    if version not in SUPPORTED_VERSIONS:
        supported = ", ".join(SUPPORTED_VERSIONS)
        raise CniError(Code.INCOMPATIBLE_VERSION, f"cniVersion {version!r} is not supported; these are: {supported}")
    try:
        command = Command(word)
    except ValueError:
        known = ", ".join(each.value for each in Command)
        raise CniError(Code.BAD_ENVIRONMENT, f"CNI_COMMAND {word!r} is unknown; these are known: {known}") from None
    since = _OPERATIONS[command].since
    if SUPPORTED_VERSIONS.index(version) < SUPPORTED_VERSIONS.index(since):
        raise CniError(
            Code.INCOMPATIBLE_VERSION, f"{word} needs cniVersion {since} or later; the configuration has {version}"
        )
    return command


def _key(variables: dict[str, str]) -> AttachmentKey:
    container, interface = variables["CNI_CONTAINERID"], variables["CNI_IFNAME"]
    if not _IDENTIFIER.fullmatch(container):
        raise CniError(Code.BAD_ENVIRONMENT, f"CNI_CONTAINERID {container!r}: letters, digits, '_', '.', '-' only")
    if not _INTERFACE.fullmatch(interface) or interface in {".", "..", "lo"}:
        raise CniError(Code.BAD_ENVIRONMENT, f"CNI_IFNAME {interface!r} is no name for an interface")
    return AttachmentKey(container, interface)


def _pod(arguments: str) -> PodIdentity:
    """CNI_ARGS is `KEY=value;KEY=value`."""
    values = dict(item.partition("=")[::2] for item in arguments.split(";"))
    return PodIdentity(
        values.get("K8S_POD_NAMESPACE", ""), values.get("K8S_POD_NAME", ""), values.get("K8S_POD_UID", "")
    )


def _valid(configuration: Configuration) -> frozenset[AttachmentKey]:
    """An absent list would mean that nothing is valid any more: it must be given explicitly."""
    if configuration.valid_attachments is None:
        raise CniError(Code.INVALID_CONFIGURATION, "cni.dev/valid-attachments is missing; GC needs it")
    return frozenset(AttachmentKey(each.container, each.interface) for each in configuration.valid_attachments)


def encode_result(result: Result, version: str) -> bytes:
    """A result in the form of its version: before 1.0.0 addresses carry theirs, before 1.1.0 interfaces have no mtu."""
    content: dict[str, Any] = {"cniVersion": version, **msgspec.to_builtins(result), "dns": {}}
    if version != "1.1.0":
        for interface in content["interfaces"]:
            interface.pop("mtu", None)
    if version.startswith("0."):
        for address in content["ips"]:
            address["version"] = "6" if ":" in address["address"] else "4"
    return json.dumps(content).encode()


def encode_error(error: CniError, version: str) -> bytes:
    """An error as the specification writes it."""
    content = {"cniVersion": version, "code": int(error.code), "msg": error.message, "details": error.details}
    return json.dumps(content).encode()


def version_of(frame: bytes) -> str:
    """The version of the answer to a frame that cannot be decoded: its cniVersion where that can be read."""
    try:
        version = _configuration(frame.partition(b"\0\0")[2]).cni_version
    except CniError:
        version = ""
    return version if version in SUPPORTED_VERSIONS else SUPPORTED_VERSIONS[-1]
