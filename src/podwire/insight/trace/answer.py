"""The answer of `podwire trace url`: explain, send, find the line in the access log, print."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from podwire.insight.target import Target
from podwire.insight.trace import access_log, hops, probe
from podwire.insight.trace.access_log import LogLine
from podwire.insight.trace.probe import Received, Sending
from podwire.insight.trace.report import TraceReport
from podwire.insight.url import answer, connections, gateways, ingresses
from podwire.insight.url.explain import explain
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import OUTSIDE, Question
from podwire.insight.url.report import Kind
from podwire.kube.client import Client
from podwire.kube.core import Pod
from podwire.lab.host import nsenter

AGENT = "podwire-trace/"


class Protocols(msgspec.Struct, frozen=True):
    """Which versions of HTTP the client speaks."""

    http1: bool = True
    http2: bool = True


def trace(question: Question, target: Target, objects: UrlObjects, protocols: Protocols, timeout: float) -> TraceReport:
    """Send the request; return its hops beside its explanation. Raises one of `answer.ANSWERLESS`."""
    answer.check_client(question, objects)
    chosen = gateways.chosen(question, objects)
    gateway = chosen.served.gateway if chosen is not None else None
    addresses = gateways.addresses(gateway) if gateway is not None else ()
    envoys = gateways.envoys(gateway, objects.pods) if gateway is not None else ()
    by_ingress = (chosen is None or chosen.passage.ends is not None) and ingresses.fits(question, objects)
    if by_ingress and not question.gateway:
        addresses, envoys = ingresses.entry_addresses(objects), ingresses.envoys(objects.pods)
    sending = _sending(question, addresses, protocols, timeout)
    received = _sent(question, sending, target, objects)
    explained = explain(question, objects, datetime.now(UTC))
    response = received.response
    line = None
    if response is not None and envoys and explained.outcome.kind is not Kind.PASSED_ON:
        line = _logged(target, envoys, sending, response.status)
    pods = {address: str(one.key) for one in objects.pods if not one.finished for address in one.addresses}
    return hops.trace(question, sending, received, line, explained, pods)


def shown(report: TraceReport, *, json: bool) -> str:
    """Return the report as text or JSON."""
    if json:
        return f"{msgspec.json.format(msgspec.json.encode(report)).decode()}\n"
    return "".join(f"{one}\n" for one in hops.lines(report))


def _sending(question: Question, addresses: tuple[str, ...], protocols: Protocols, timeout: float) -> Sending:
    given = [(one.name, one.value) for one in question.request.headers]
    if not any(name.lower() == "user-agent" for name, _ in given):
        given.append(("User-Agent", f"{AGENT}{secrets.token_hex(8)}"))
    place = f"[{question.request.host}]" if ":" in question.request.host else question.request.host
    http2 = protocols.http2 and (question.is_tls or not protocols.http1)
    return Sending(
        question.host,
        question.port,
        question.is_tls,
        question.server_name,
        place if question.is_default_port else f"{place}:{question.port}",
        question.request.method,
        f"{question.raw_path}{'?' if question.query else ''}{question.query}",
        tuple(given),
        addresses,
        protocols.http1,
        http2,
        timeout,
    )


def _sent(question: Question, sending: Sending, target: Target, objects: UrlObjects) -> Received:
    """Send it from the client's network; on a cluster from this machine."""
    world = target.world
    if world is None:
        if question.client != OUTSIDE:
            text = f"--from {question.client}: a request is sent from a pod in a world only; leave --from out"
            raise answer.NoAnswerError(f"{text}, and it is sent from this machine")
        return probe.send(sending)
    pods = connections.clients(question, objects)
    place = str(pods[0].key) if pods else question.client
    text = nsenter.computed(world, place, lambda: msgspec.json.encode(probe.send(sending)).decode())
    return msgspec.json.decode(text, type=Received)


def _logged(target: Target, envoys: Iterable[Pod], sending: Sending, status: int) -> LogLine | None:
    user_agent = next(value for name, value in sending.headers if name.lower() == "user-agent")

    async def find(client: Client) -> LogLine | None:
        return await access_log.find(client, envoys, user_agent, status)

    return target.read(find)
