"""Checks of fields that are not valid: the API would refuse them, the model reads them as nothing. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.scene import Scene, Step, WrittenRule, peer_of, port_of
from podwire.kube.meta import LabelSelector
from podwire.kube.networking import IPBlock, NetworkPolicyPeer, NetworkPolicyPort
from podwire.policy.model import PROTOCOLS, valid
from podwire.policy.tier_reading import cluster_policy


def unknown_fields(scene: Scene) -> Iterator[Finding]:
    """Fields and kinds that the API does not have."""
    for one in scene.snapshot.unknown_fields:
        yield Finding("unknown-field", Severity.WARNING, one.place, one.object, one.message, one.remedy)


def invalid_fields(scene: Scene) -> Iterator[Finding]:
    """Selectors, blocks and ports that mean nothing."""
    for written, _ in scene.policies:
        if not valid(written.spec.pod_selector):
            yield scene.finding(
                "not-valid", Severity.ERROR, written, ("spec", "podSelector"),
                message="its selector is not valid: the policy isolates its whole namespace and admits nothing",
                remedy=_selector_fault(written.spec.pod_selector),
            )  # fmt: skip
    for one in scene.rules:
        for number, peer in enumerate(one.peers):
            if peer_of(peer) is None:
                yield _refused(scene, one, (one.peers_field, number), *_peer_fault(peer))
        for number, port in enumerate(one.ports):
            if port_of(port) is None:
                yield _refused(scene, one, ("ports", number), *_port_fault(port))


def cluster_policies(scene: Scene) -> Iterator[Finding]:
    """Fields of ClusterNetworkPolicies that cannot be honoured."""
    for one in scene.snapshot.cluster_policies:
        for problem in cluster_policy(one).problems:
            field, _, what = problem.partition(" ")
            place = scene.at("ClusterNetworkPolicy", one.key, *_path(field))
            name = f"ClusterNetworkPolicy {one.key}"
            yield Finding("cluster-policy-not-valid", Severity.ERROR, place, name, f"{field} {what}", _remedy(what))


def _remedy(problem: str) -> str:
    """Return what to write in place of a field that cannot be honoured."""
    if "for Accept rules only" in problem:
        return "accept these names, and deny all other addresses by networks in a later rule"
    if "no domain name" in problem:
        return "write a name such as api.example.com, or *.example.com for all below it"
    return "write what network-policy-api v1alpha2 has, or remove the field"


def _path(field: str) -> tuple[Step, ...]:
    parts = re.findall(r"[^.\[\]]+", field)
    return tuple(int(one) if one.isdigit() else one for one in parts)


def _refused(scene: Scene, one: WrittenRule, path: tuple[Step, ...], message: str, remedy: str) -> Finding:
    whole = (*one.path, *path)
    text = f"{message}: it matches nothing, and an API server refuses the policy"
    return scene.finding("not-valid", Severity.ERROR, one.policy, whole, message=text, remedy=remedy)


def _peer_fault(peer: NetworkPolicyPeer) -> tuple[str, str]:
    if peer.ip_block is not None:
        if peer.pod_selector is not None or peer.namespace_selector is not None:
            return "ipBlock beside a selector", "make two items of it"
        return _block_fault(peer.ip_block)
    for selector in filter(None, (peer.pod_selector, peer.namespace_selector)):
        if not valid(selector):
            return "its selector is not valid", _selector_fault(selector)
    return "a peer without a selector or a block", "write podSelector, namespaceSelector or ipBlock"


def _block_fault(block: IPBlock) -> tuple[str, str]:
    for text in (block.cidr, *block.except_):
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            return f"'{text}' is no network", "write one such as 10.0.0.0/8 or 2001:db8::/32"
        if "/" not in text:
            return f"'{text}' has no prefix length", f"write {text}/{128 if ':' in text else 32}"
    return f"except of '{block.cidr}' is of another family", "write networks of the same family inside the block"


def _selector_fault(selector: LabelSelector) -> str:
    for one in selector.match_expressions:
        if one.operator not in {"In", "NotIn", "Exists", "DoesNotExist"}:
            return f"operator '{one.operator}' of {one.key}: use In, NotIn, Exists or DoesNotExist"
        if bool(one.values) is not (one.operator in {"In", "NotIn"}):
            return f"{one.operator} of {one.key} {'takes no values' if one.values else 'needs values'}"
    return "correct matchExpressions"


def _port_fault(port: NetworkPolicyPort) -> tuple[str, str]:
    if port.protocol not in PROTOCOLS:
        return f"protocol '{port.protocol}'", f"use {', '.join(PROTOCOLS)}"
    if port.port is None:
        return "endPort without port", "add port: the first one of the range"
    if isinstance(port.port, str):
        return "endPort beside the name of a port", "write the number of the port"
    if port.end_port is not None and port.end_port < port.port:
        return f"endPort {port.end_port} is below port {port.port}", "exchange them"
    return f"port {port.port if port.end_port is None else port.end_port}", "use 1 to 65535"
