"""Texts that a stand-in answers: its container, the image that it replaces, and its client. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from podwire.lab.standin.http import Request

LABEL = "podwire stand-in for "
"""Prefix of every text of a stand-in, so that it cannot be mistaken for the image's own program."""

REASONS = {200: "OK", 400: "Bad Request", 413: "Content Too Large", 431: "Request Header Fields Too Large"}


@dataclass(frozen=True, slots=True)
class StandInIdentity:
    """The container that a stand-in replaces."""

    namespace: str
    pod: str
    container: str
    node: str
    image: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called as the socket shows it, and on which port."""

    address: str
    port: int
    local_port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def facts(identity: StandInIdentity, caller: Caller, protocol: str) -> dict[str, str]:
    """The lines of an answer, by name and in order."""
    return {
        "pod": f"{identity.namespace}/{identity.pod}",
        "container": identity.container,
        "node": identity.node,
        "addresses": ", ".join(identity.addresses),
        "from": str(caller),
        "port": str(caller.local_port),
        "protocol": protocol,
    }


def readable(identity: StandInIdentity, lines: dict[str, str]) -> bytes:
    """The answer for people."""
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return f"{LABEL}{identity.image}\n{text}".encode()


def one_line(identity: StandInIdentity, caller: Caller) -> bytes:
    """The greeting on a TCP connection that speaks no HTTP."""
    addresses = ", ".join(identity.addresses)
    return (
        f"{LABEL}{identity.image}: pod {identity.namespace}/{identity.pod} on {identity.node} ({addresses});"
        f" you are {caller} over TCP; from here on your bytes come back\n"
    ).encode()


def datagram(identity: StandInIdentity, caller: Caller, payload: bytes) -> bytes | None:
    """Return the answer to a datagram; None for another stand-in's answer, or two of them would never stop."""
    if payload.startswith(LABEL.encode()):
        return None
    return readable(identity, facts(identity, caller, "UDP") | {"bytes": str(len(payload))})


def http_answer(identity: StandInIdentity, caller: Caller, request: Request) -> bytes:
    """The whole HTTP answer: 200 to any well-formed request."""
    lines = facts(identity, caller, f"{request.version} over TCP") | {
        "method": request.method,
        "path": request.target,
        "host": request.headers.get("host", ""),
    }
    if _wants_json(request):
        kind = "application/json"
        whole = {"standInFor": identity.image, **lines, "addresses": list(identity.addresses)}
        body = json.dumps(whole, indent=2).encode() + b"\n"
    else:
        kind, body = "text/plain; charset=utf-8", readable(identity, lines)
    return _http(identity, 200, kind, body, request)


def http_refusal(identity: StandInIdentity, status: int) -> bytes:
    """The answer to what is no request, or one that is too large; the connection ends after it."""
    return _http(identity, status, "text/plain; charset=utf-8", f"{LABEL}{identity.image}\n{status}\n".encode(), None)


def _wants_json(request: Request) -> bool:
    return "json" in request.headers.get("accept", "") or request.target.partition("?")[0].endswith(".json")


def _http(identity: StandInIdentity, status: int, kind: str, body: bytes, request: Request | None) -> bytes:
    keep = request is not None and request.keep_alive
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        f"X-Podwire-Stand-In: {_header_value(identity.image)}",
        f"Connection: {'keep-alive' if keep else 'close'}",
    )
    shown = b"" if request is not None and request.method == "HEAD" else body
    return "\r\n".join((*head, "", "")).encode("latin-1") + shown


def _header_value(text: str) -> str:
    """Return only characters that a header may have: an image's name is free text."""
    return "".join(char if 0x21 <= ord(char) <= 0x7E else "?" for char in text)
