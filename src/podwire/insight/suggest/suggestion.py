"""Suggested policies of a cluster or a world, from the records of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from podwire.insight.flows.filters import Filter
from podwire.insight.flows.pod_names import NamedPod
from podwire.insight.flows.reading import NAMED_PODS, FlowRequest, show
from podwire.insight.operations.programs import ClusterError
from podwire.insight.suggest import expectations, policies, text
from podwire.insight.suggest.observed import Peer, observed
from podwire.insight.suggest.selectors import Selectors
from podwire.insight.target import Target
from podwire.kube.client import Client
from podwire.kube.kept_objects import FLOW_RECORDS
from podwire.kube.kinds import NAMESPACES
from podwire.kube.pod_workloads import GENERATED, workload
from podwire.policy.flows import record
from podwire.policy.flows.record import Flow


class SuggestRequest(msgspec.Struct, frozen=True):
    """Which workloads, from which records. Without namespaces: those whose admitted connections are recorded."""

    namespaces: tuple[str, ...] = ()
    since: str = ""
    with_dropped: bool = False


class Suggestion(msgspec.Struct, frozen=True):
    """Policies as YAML, the file that `podwire verify` proves them with, and what could not be read."""

    policies: str
    expectations: str
    problems: tuple[str, ...] = ()


def suggest(target: Target, request: SuggestRequest) -> Suggestion:
    """Return suggested policies. Raises ClusterError, and what reading raises."""

    async def objects(client: Client) -> tuple[list[NamedPod], list[str]]:
        recorded = [
            one.metadata.name
            for one in (await client.list(NAMESPACES)).items
            if one.metadata.annotations.get(FLOW_RECORDS) == "all"
        ]
        return list((await client.list(NAMED_PODS)).items), recorded

    pods, recorded = target.read(objects)
    namespaces = request.namespaces or tuple(recorded)
    if not namespaces:
        raise ClusterError(
            "no namespace is named: choose with -n; connections that were admitted are recorded after"
            f" 'kubectl annotate namespace NAME {FLOW_RECORDS}=all'"
        )
    flows: list[Flow] = []
    chosen = Filter(namespaces=namespaces, since=request.since)
    problems = show(target, FlowRequest(chosen), (), flows.append)
    counted = [flow for flow in flows if request.with_dropped or flow.verdict == record.FORWARDED]
    if not counted:
        raise ClusterError(
            f"no admitted connection of {', '.join(namespaces)} is recorded: they are after"
            f" 'kubectl annotate namespace {' '.join(namespaces)} {FLOW_RECORDS}=all'"
        )
    return _suggestion(counted, namespaces, labels_of(pods), tuple(problems))


def _suggestion(
    flows: Sequence[Flow],
    namespaces: Sequence[str],
    living: Mapping[Peer, Mapping[str, str]],
    problems: tuple[str, ...],
) -> Suggestion:
    seen = observed(flows)
    selectors = Selectors({**seen.labels, **living})
    suggested = policies.policies(seen, namespaces)
    unseen = [one for one in living if one.namespace in namespaces and one not in {p.workload for p in suggested}]
    period = f"{len(flows)} records, {flows[0].time[:19]}Z to {flows[-1].time[:19]}Z"
    return Suggestion(text.text(suggested, selectors, unseen, period), expectations.text(seen, namespaces), problems)


def labels_of(pods: Sequence[NamedPod]) -> Mapping[Peer, Mapping[str, str]]:
    """The labels that all living pods of each workload have; those that controllers set are left out."""
    found: dict[Peer, dict[str, str]] = {}
    for pod in pods:
        metadata = pod.metadata
        if pod.spec.host_network:
            continue
        made = workload(metadata.name, metadata.labels, metadata.owner_references)
        end = Peer(metadata.namespace, made.name, made.kind)
        own = {key: value for key, value in metadata.labels.items() if key not in GENERATED}
        known = found.get(end, own)
        found[end] = {key: value for key, value in known.items() if own.get(key) == value}
    return found
