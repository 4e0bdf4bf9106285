"""Checks of a node's agent and of its way to the API server and to the DNS. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from podwire.insight.doctor import rules
from podwire.insight.doctor.node_facts import ApiFact, Expiry, NodeFacts
from podwire.insight.doctor.report import Finding

SLOW_MILLISECONDS = 500
SOON_SECONDS = 14 * 86400
"""Before the end of a certificate or of a token that nothing renews."""
RENEWAL_SECONDS = 120
"""A kubelet renews a token long before this."""
RENEWED = "the kubelet of this node renews it: see its log, and the node's clock"
RENEW = "renew it, and write it to the same file: it is read again at once"
RENEW_SERVER = "renew the API server's certificate ('kubeadm certs renew apiserver')"


def agent(facts: NodeFacts) -> Iterator[Finding]:
    """Whether the agent answers, is ready, follows all resources and has its rows in the kernel."""
    if not facts.installed:
        return
    found = facts.agent
    if found is None:
        yield rules.AGENT_SILENT.found(facts.node, path="its socket", problem=facts.agent_problem, node=facts.node)
        return
    problems = [one for one in found.informers if not one.synced]
    if not found.ready and not problems:
        yield rules.AGENT_NOT_READY.found(facts.node, problem="its rows are not applied yet", node=facts.node)
    for one in problems:
        remedy = one.remedy or f"see 'podwire logs agent --node {facts.node}'"
        problem = one.problem or f"{one.resource}: no answer yet"
        yield rules.NOT_SYNCED.found(facts.node, problem=problem, remedy=remedy)
    for one in found.informers:
        if one.synced and one.problem:
            seconds = round(one.age or 0)
            yield rules.NOT_FOLLOWED.found(facts.node, seconds=seconds, problem=one.problem, remedy=one.remedy)
        if one.undecodable:
            yield rules.OBJECTS_SKIPPED.found(facts.node, count=one.undecodable, resource=one.resource, node=facts.node)
    for refused in found.refused:
        values = {"count": refused.count, "target": refused.target, "row": refused.example, "node": facts.node}
        yield rules.ROWS_REFUSED.found(facts.node, **values)


def rows(facts: NodeFacts) -> Iterator[Finding]:
    """Whether the kernel holds the rows; agents compare them before they answer."""
    for one in facts.agent.repaired if facts.agent is not None else ():
        if one.count:
            yield rules.ROWS_DIFFER.found(facts.node, count=one.count, target=one.target, row=one.example)
        else:
            yield rules.ROWS_REPAIRED.found(facts.node, count=one.total, target=one.target, node=facts.node)


def api(facts: NodeFacts) -> Iterator[Finding]:
    """Whether the API server is reached, and how fast it answers."""
    if facts.api is not None:
        yield from api_access(facts.node, facts.api)


def api_access(where: str, fact: ApiFact) -> Iterator[Finding]:
    """The same of any program."""
    if fact.problem:
        yield rules.API_UNREACHABLE.found(where, server=fact.server, problem=fact.problem)
    elif fact.milliseconds > SLOW_MILLISECONDS:
        yield rules.API_SLOW.found(where, server=fact.server, milliseconds=round(fact.milliseconds))


def rights(facts: NodeFacts, role: str) -> Iterator[Finding]:
    """What the agent's account may not do."""
    if "rights" in facts.problems:
        yield rules.RIGHTS_UNKNOWN.found(facts.node, problem=facts.problems["rights"])
    verbs: defaultdict[str, list[str]] = defaultdict(list)
    for right in facts.denied:
        verbs[right.resource].append(right.verb)
    for resource, missing in verbs.items():
        yield rules.RIGHTS_MISSING.found(facts.node, verbs=", ".join(missing), resource=resource, role=role)


def credentials(facts: NodeFacts) -> Iterator[Finding]:
    """When the agent's credentials and the API server's certificate expire."""
    yield from ending(facts.node, facts.expiries, facts.time)
    if facts.api is not None and facts.api.certificate_expires is not None:
        certificate = Expiry("certificate of the API server", facts.api.certificate_expires)
        yield from ending(facts.node, [certificate], facts.time, RENEW_SERVER)


def ending(where: str, expiries: Iterable[Expiry], now: float, remedy: str = RENEW) -> Iterator[Finding]:
    """The same of any program."""
    for one in expiries:
        left = one.expires - now
        if left > (RENEWAL_SECONDS if one.renewed else SOON_SECONDS):
            continue
        rule = rules.EXPIRED if left <= 0 else rules.EXPIRES
        time = datetime.fromtimestamp(one.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield rule.found(where, what=one.what, time=time, remedy=RENEWED if one.renewed else remedy)


def dns(facts: NodeFacts) -> Iterator[Finding]:
    """Whether the cluster's DNS answers this node."""
    for one in facts.dns:
        if one.problem:
            values = {"server": one.server, "protocol": one.protocol, "problem": one.problem, "node": facts.node}
            yield rules.DNS_SILENT.found(facts.node, **values)
