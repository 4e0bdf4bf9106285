"""Probes and hooks of a container. Source: k8s.io/kubernetes `pkg/apis/core/validation` validateHandler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_HEADER_TEXT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', "
    "regex used for validation is '[-A-Za-z0-9]+')"
)


def of_container(container: Field, spec: Field) -> Iterator[Cause]:
    """Check the hooks and probes of a container that may have them."""
    grace = spec["terminationGracePeriodSeconds"]
    for part in ("postStart", "preStop"):
        if container["lifecycle"][part].given:
            yield from _handler(container["lifecycle"][part], _HOOK_HANDLERS, grace)
    signal = container["lifecycle"]["stopSignal"]
    if signal.given and not spec["os"]["name"]:
        yield signal.forbidden("may not be set for containers with empty `spec.os.name`")
    for part in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container[part].given:
            yield from _probe(container[part], grace, readiness=part == "readinessProbe")


def _probe(probe: Field, grace: Field, *, readiness: bool) -> Iterator[Cause]:
    yield from _handler(probe, _PROBE_HANDLERS, grace)
    for part in _PROBE_NUMBERS:
        yield from probe[part].not_negative()
    own_grace = probe["terminationGracePeriodSeconds"]
    if own_grace.given and own_grace.number <= 0:
        yield own_grace.invalid("must be greater than 0")
    if readiness and own_grace.given:
        yield own_grace.invalid("must not be set for readinessProbes")
    if not readiness and probe["successThreshold"].value not in {None, 1}:
        yield probe["successThreshold"].invalid("must be 1")


def _handler(handler: Field, kinds: tuple[str, ...], grace: Field) -> Iterator[Cause]:
    given = [handler[kind] for kind in kinds if handler[kind].given]
    yield from (other.forbidden("may not specify more than 1 handler type") for other in given[1:])
    if not given:
        yield handler.required("must specify a handler type")
        return
    chosen = given[0]
    match chosen.step:
        case "exec":
            if not chosen["command"]:
                yield chosen["command"].required()
        case "httpGet":
            yield from _request(chosen)
        case "sleep":
            if grace.given and not 0 <= chosen["seconds"].number <= grace.number:
                detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace.number})"
                yield field_errors.invalid(chosen.path, chosen["seconds"].number, detail)
        case _:
            yield from _port(chosen["port"])


def _request(request: Field) -> Iterator[Cause]:
    if not request["path"]:
        yield request["path"].required()
    yield from _port(request["port"])
    if request["scheme"].value not in {"HTTP", "HTTPS"}:
        yield request["scheme"].unsupported(("HTTP", "HTTPS"))
    for header in request["httpHeaders"]:
        if not _HEADER.fullmatch(header["name"].text):
            yield field_errors.invalid(request["httpHeaders"].path, header["name"].text, _HEADER_TEXT)


def _port(port: Field) -> Iterator[Cause]:
    value = 0 if port.value is None else port.value
    yield from (field_errors.invalid(port.path, value, text) for text in formats.port(value))
