"""Clients of a node port whose pods may be on several nodes: the answer on that node, and elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.insight.connection.node_ports import translated
from podwire.insight.connection.question import Question
from podwire.insight.connection.report import ConnectionLine, Report
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot import endpoints
from podwire.insight.snapshot.ends import End, EndKind
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace, Workload

_ELSEWHERE = "-"
"""In place of the name of any other node. No node can have this name."""


class Placements(msgspec.Struct, frozen=True):
    """The question for clients on the node, and for those elsewhere. `is_certain`: there are clients of both kinds."""

    node: str
    here: Question
    elsewhere: Question
    is_certain: bool


def placements(question: Question, snapshot: Snapshot) -> Placements | None:
    """Return the question for pods on the node whose port is meant and for others; None where all are in one place."""
    end, source = translated(question, snapshot).destination, question.source
    if end.node is None or end.service is None or source.kind not in (EndKind.PODS, EndKind.SERVICE):
        return None
    workloads = source.workloads or tuple(endpoints.selected(source.service, snapshot) if source.service else ())
    node = end.node.metadata.name
    known = {_place(pod, node) for one in workloads for pod in _pods(one, source)}
    if not workloads or known in ({True}, {False}) or any(one.spec.host_network for one in workloads):
        return None
    here, elsewhere = (_placed(source, workloads, node, is_here=one) for one in (True, False))
    if {one.metadata.name for one in snapshot.nodes} == {node} and False not in known:
        elsewhere = here
    return Placements(
        node,
        msgspec.structs.replace(question, source=here),
        msgspec.structs.replace(question, source=elsewhere),
        known >= {True, False},
    )


def _pods(one: Workload, source: End) -> tuple[PodPlace, ...]:
    if source.pod is not None:
        return (source.pod,)
    return tuple(pod for pod in one.pods if not pod.is_finished) or (PodPlace(""),)


def _place(pod: PodPlace, node: str) -> bool | None:
    """Whether a pod is on the node; None where its node is not known."""
    return pod.node == node if pod.node else None


def _placed(source: End, workloads: Iterable[Workload], node: str, *, is_here: bool) -> End:
    """Return those of the pods that are on the node, or elsewhere, as far as is known."""
    name, found = node if is_here else _ELSEWHERE, []
    for one in workloads:
        chosen = [pod for pod in _pods(one, source) if _place(pod, node) is not (not is_here)]
        pods = tuple(msgspec.structs.replace(pod, node=name) for pod in chosen)
        if pods:
            found.append(msgspec.structs.replace(one, pods=pods))
    pod = msgspec.structs.replace(source.pod, node=name) if source.pod is not None else None
    return msgspec.structs.replace(source, kind=EndKind.PODS, workloads=tuple(found), service=None, pod=pod)


def joined(here: Report, elsewhere: Report, placed: Placements) -> Report:
    """Return both answers as one: what differs is undecidable, but where there are clients of both kinds."""
    if here == elsewhere:
        return here
    words = {here.verdict, elsewhere.verdict}
    worst = Verdict.NOT_ALLOWED if placed.is_certain and Verdict.NOT_ALLOWED in words else Verdict.UNDECIDABLE
    texts = (f"on {placed.node} {here.verdict}: {here.text}", f"elsewhere {elsewhere.verdict}: {elsewhere.text}")
    text = f"On which nodes {here.source} is, is not known: the answer is for {placed.node} and for any other."
    note = Finding(Severity.NOTE, "NodeNotKnown", text, "Write spec.nodeName of the pods, or ask about those that run.")
    return msgspec.structs.replace(
        here,
        verdict=words.pop() if len(words) == 1 else worst,
        text=here.text if here.text == elsewhere.text else "; ".join(texts),
        connections=(*(_on(placed.node, one) for one in here.connections), *elsewhere.connections),
        findings=tuple(dict.fromkeys((*here.findings, *elsewhere.findings, *(() if placed.is_certain else (note,))))),
        changes=tuple({one.yaml: one for one in (*elsewhere.changes, *here.changes)}.values()),
    )


def _on(node: str, one: ConnectionLine) -> ConnectionLine:
    return msgspec.structs.replace(one, source=f"{one.source}, on {node}")
