"""Where the node port of a Service leads: nodes translate it before policies are applied. Pure."""

from __future__ import annotations

import msgspec

from podwire.insight.connection.question import Question
from podwire.insight.snapshot.ends import End, EndKind, Port
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.addresses import parsed
from podwire.kube.services import EXPOSED_TYPES


def translated(question: Question, snapshot: Snapshot) -> Question:
    """Return the question with the Service in place of a node with the node port of one; any other as it is."""
    end, port = question.destination, question.port
    if end.node is None or port is None:
        return question
    for service in snapshot.services:
        for one in service.spec.ports if service.spec.type in EXPOSED_TYPES else ():
            if one.node_port and (one.node_port, one.protocol) == (port.port, port.protocol):
                address = end.address or next(iter(map(parsed, end.node.internal_addresses)), None)
                found = End(end.text, EndKind.SERVICE, service=service, node=end.node, address=address)
                return msgspec.structs.replace(question, destination=found, port=Port(one.port, one.protocol))
    return question
