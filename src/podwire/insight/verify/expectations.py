"""What a file of expectations holds, and its JSON schema. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

Protocol = Literal["TCP", "UDP", "SCTP"]
Verdict = Literal["allow", "deny"]
PortNumber = Annotated[int, msgspec.Meta(ge=1, le=65535)]
PortName = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
Text = Annotated[str, msgspec.Meta(min_length=1)]

KUBECTL_LINES = ("apiVersion: v1", "kind: List", "items: []")
"""What makes a file of expectations an empty list for kubectl."""
SCHEMA_FILE = "podwire-expectations.schema.json"
EDITOR_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"

From = Annotated[
    str | list[str],
    msgspec.Meta(
        description="Who connects: NAMESPACE/WORKLOAD, NAMESPACE/POD, NAMESPACE/svc/SERVICE (the pods that it selects),"
        " a node or `outside`; or several.",
        examples=["shop/frontend", "outside"],
    ),
]
To = Annotated[
    str | list[str],
    msgspec.Meta(
        description="The destination: NAMESPACE/WORKLOAD, NAMESPACE/POD, NAMESPACE/svc/SERVICE, a name or URL of the"
        " cluster's DNS, a node, `outside`, or an IP address; or several. An ExternalName Service is its target.",
        examples=["shop/backend", "shop/svc/backend", "http://backend.shop:8080/"],
    ),
]
Port = Annotated[
    PortNumber | PortName | list[PortNumber | PortName] | None,
    msgspec.Meta(
        description="The port, by number or name; or several. Of a Service the Service's port, else the port of the"
        " pod. Left out: each port that the destination declares.",
        examples=[8080, "http"],
    ),
]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One entry of the list: every `from` with every `to` and every `port`."""

    from_: From
    to: To
    port: Port = None
    protocol: Annotated[Protocol, msgspec.Meta(description="TCP where it is left out.")] = "TCP"
    expect: Annotated[
        Verdict,
        msgspec.Meta(
            description="allow: packets arrive; a port on which nothing listens is allowed too, as the destination"
            " itself refuses it. deny: nothing comes back."
        ),
    ]
    why: Annotated[str, msgspec.Meta(description="The reason, for reports.")] = ""


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of expectations for `podwire verify`."""

    expectations: Annotated[list[Entry], msgspec.Meta(description="Which connections are possible, and which are not.")]
    files: Annotated[
        list[Text] | None,
        msgspec.Meta(
            description="Manifests that are applied: files and folders, relative to this file. Left out: its folder.",
            examples=[["."], ["../deploy", "extra.yaml"]],
        ),
    ] = None
    nodes: Annotated[
        int, msgspec.Meta(ge=1, le=20, description="How many nodes the ephemeral world has; 2 where it is left out.")
    ] = 2
    apiVersion: Annotated[  # noqa: N815 - a field of Kubernetes
        Literal["v1"], msgspec.Meta(description="For kubectl, with `kind` and `items`: an empty list.")
    ] = "v1"
    kind: Annotated[
        Literal["List"],
        msgspec.Meta(
            description="With it the file may lie beside manifests: 'kubectl apply -f FOLDER' finds no object."
        ),
    ] = "List"
    items: Annotated[list[None], msgspec.Meta(max_length=0, description="Always empty.")] = []


class Expectation(msgspec.Struct, frozen=True):
    """One connection. `port` is None for each port that the destination declares; `place` is FILE:LINE."""

    source: str
    destination: str
    port: int | str | None
    protocol: str
    expect: Verdict
    place: str = ""
    why: str = ""

    @property
    def is_allowed(self) -> bool:
        """Whether the connection is expected to be possible."""
        return self.expect == "allow"

    @property
    def label(self) -> str:
        """The connection as a reader sees it."""
        port = "" if self.port is None else f":{self.port}"
        protocol = "" if self.protocol == "TCP" else f"/{self.protocol}"
        return f"{self.source} -> {self.destination}{port}{protocol}"


class Expectations(msgspec.Struct, frozen=True):
    """All expectations of a file, each connection by itself. `files` are paths of manifests."""

    path: str
    files: tuple[str, ...]
    nodes: int
    entries: tuple[Expectation, ...]

    @property
    def can_fail(self) -> bool:
        """Whether some connection is expected to be denied: without one, a network without policies passes too."""
        return any(not one.is_allowed for one in self.entries)


def connections(entry: Entry, place: str) -> Iterator[Expectation]:
    """Every connection of an entry, in the order in which it is written."""
    for source, destination, port in itertools.product(_listed(entry.from_), _listed(entry.to), _listed(entry.port)):
        yield Expectation(source, destination, port, entry.protocol, entry.expect, place, entry.why)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a file, for editors."""
    found = msgspec.json.schema(Document)
    components: Mapping[str, Any] = found.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Expectations of podwire verify",
        **components["Document"],
        "$defs": {"Entry": components["Entry"]},
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
