"""Policies from records: what was seen is allowed by the model, and nothing else."""

from __future__ import annotations

import itertools

import pytest
import yaml

from podwire.insight.suggest import expectations, text
from podwire.insight.suggest.observed import Peer, observed
from podwire.insight.suggest.policies import SeenPolicy, policies
from podwire.insight.suggest.selectors import Selectors
from podwire.kube.pod_workloads import Workload
from podwire.policy.flows.record import FORWARDED, L4, Addresses, Endpoint, Flow, L4Ports
from tests.policy.cluster import Cluster, namespace, network_policy, pod

ADDRESSES = {"web": "10.0.0.1", "api": "10.0.0.2", "db": "10.0.0.3", "far": "10.0.0.4", "gone": "10.0.0.5"}
HOMES = {"web": "x", "api": "x", "db": "x", "far": "y", "gone": "x"}
LABELS = {
    "web": {"app": "shop", "tier": "web"},
    "api": {"app": "shop", "tier": "api"},
    "db": {"app": "db"},
    "far": {"app": "far"},
    "gone": {"app": "gone"},
}
OUTSIDE = "192.0.2.1"


def end(name: str) -> Endpoint:
    if name not in HOMES:
        return Endpoint()
    labels = tuple(f"k8s:{key}={value}" for key, value in LABELS[name].items())
    hashed = (*labels, "k8s:pod-template-hash=5d")
    return Endpoint(HOMES[name], hashed, f"{name}-5d-q1", (Workload(name, "Deployment"),))


def flow(
    source: str, destination: str, port: int, number: int = 1, *, verdict: str = FORWARDED, udp: bool = False
) -> Flow:
    ports = L4Ports(40000 + number, port)
    return Flow(
        "2026-01-02T03:04:05.000000Z",
        verdict,
        "node-1",
        Addresses(ADDRESSES.get(source, source), ADDRESSES.get(destination, destination), "IPv4"),
        end(source),
        end(destination),
        L4(udp=ports) if udp else L4(tcp=ports),
    )


SEEN = [
    *(flow("web", "api", 8080, number) for number in range(3)),
    flow("web", "api", 8080, 2),  # the other node has recorded it too
    flow("api", "db", 5432),
    flow("far", "api", 8080, 1),
    flow("far", "api", 8080, 2),
    flow(OUTSIDE, "web", 80, 1),
    flow("web", OUTSIDE, 443, 1),
    flow("web", OUTSIDE, 443, 2),
    flow("api", "far", 53, 1, udp=True),
]


def suggested(*flows: Flow) -> str:
    seen = observed(flows)
    selectors = Selectors(seen.labels)
    return text.text(policies(seen, ["x"]), selectors, [Peer("x", "idle", "Deployment")], "tests")


def test_the_text_counts_and_marks_what_was_seen_once() -> None:
    written = suggested(*SEEN)
    assert "# Not seen, so without a policy: x/idle (Deployment)\n" in written
    assert "# x/web (Deployment): 1 received, 5 sent\n" in written
    assert "  # 3 connections seen from x/web (Deployment)\n" in written
    assert "  # 1 connection seen from 192.0.2.1; SEEN ONCE: keep it only if it is meant\n" in written
    assert "  # 1 connection seen to x/db (Deployment); SEEN ONCE" in written


def test_policies_are_of_the_chosen_namespaces_minimal_and_valid() -> None:
    documents = list(yaml.safe_load_all(suggested(*SEEN)))
    assert [one["metadata"] for one in documents] == [
        {"name": f"seen-{name}", "namespace": "x"} for name in ("api", "db", "web")
    ]
    api, db, web = (one["spec"] for one in documents)
    assert web["podSelector"] == {"matchLabels": {"tier": "web"}}, "app alone selects api too"
    assert db["podSelector"] == {"matchLabels": {"app": "db"}}
    assert db["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in db
    far = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "y"}},
        "podSelector": {"matchLabels": {"app": "far"}},
    }
    ports = [{"port": 8080, "protocol": "TCP"}]
    assert api["ingress"] == [{"from": [{"podSelector": {"matchLabels": {"tier": "web"}}}, far], "ports": ports}]
    assert web["ingress"][0]["from"] == [{"ipBlock": {"cidr": "192.0.2.1/32"}}]


def test_the_model_keeps_what_was_seen_and_closes_the_rest() -> None:
    cluster = Cluster()
    cluster.add(namespace("x"), namespace("y"))
    for name, address in ADDRESSES.items():
        labels = " ".join(f"{key}={value}" for key, value in LABELS[name].items())
        cluster.add(pod(f"{HOMES[name]}/{name}", address, labels=labels))
    for document in yaml.safe_load_all(suggested(*SEEN)):
        key = f"{document['metadata']['namespace']}/{document['metadata']['name']}"
        cluster.add(network_policy(key, yaml.safe_dump(document["spec"])))
    seen = {(one.addresses.source, one.addresses.destination, one.l4.protocol, one.l4.port) for one in SEEN}
    own = {ADDRESSES[name] for name in ("web", "api", "db")}
    ends = [*ADDRESSES.values(), OUTSIDE]
    ways = [("TCP", 80), ("TCP", 443), ("TCP", 5432), ("TCP", 8080), ("UDP", 53), ("TCP", 53)]
    for source, destination, (protocol, port) in itertools.product(ends, ends, ways):
        if source == destination or not {source, destination} & own:
            continue
        allowed = cluster.allows(source, destination, protocol, port)
        assert allowed == ((source, destination, protocol, port) in seen), (source, destination, protocol, port)


def test_what_was_dropped_is_marked_and_other_protocols_are_named() -> None:
    ping = Flow(SEEN[0].time, FORWARDED, "node-1", SEEN[0].addresses, end("web"), end("api"), L4(icmp4={}))
    written = suggested(flow("web", "db", 5432, verdict="DROPPED"), ping)
    assert "  # 1 connection dropped until now to x/db (Deployment)" in written
    assert "# ICMPv4 from x/web (Deployment) to x/api (Deployment) was seen too" in written


def test_labels_that_look_like_other_values_are_quoted() -> None:
    for value in ("true", "1", "1e3", "a.b", "no", "null", ""):
        labels = {Peer("x", "web", "Deployment"): {"app": value} if value else {"app": "x"}}
        written = text.text(policies(observed([SEEN[0]]), ["x"]), Selectors(labels), [], "tests")
        selectors = [one["spec"]["podSelector"] for one in yaml.safe_load_all(written)]
        assert {"matchLabels": {"app": value or "x"}} in selectors


@pytest.mark.parametrize("name", ["123", "1e3", "true", "null", "on"])
def test_names_that_look_like_other_values_are_quoted(name: str) -> None:
    workload = Peer(name, "web", "Deployment")
    selectors = Selectors({workload: {name: "a"}})
    seen = SeenPolicy(workload, (), (), ())
    (found,) = yaml.safe_load_all(text.text([seen], selectors, [], "tests"))
    assert found["metadata"]["namespace"] == name
    assert found["spec"]["podSelector"] == {"matchLabels": {name: "a"}}


def test_workloads_that_share_a_name_have_policies_of_their_own() -> None:
    one, other = Peer("x", "web", "Deployment"), Peer("x", "web", "StatefulSet")
    assert text.policy_name(one, unique=False) != text.policy_name(other, unique=False)


def test_a_selector_that_cannot_tell_workloads_apart_says_so() -> None:
    labels = {Peer("x", "web", "Deployment"): {"app": "a"}, Peer("x", "api", "Deployment"): {"app": "a", "tier": "b"}}
    selectors = Selectors(labels)
    assert selectors.also_selected(Peer("x", "web", "Deployment")) == [Peer("x", "api", "Deployment")]
    assert selectors.of(Peer("x", "api", "Deployment")) == {"tier": "b"}
    written = text.text(policies(observed([SEEN[0]]), ["x"]), selectors, [], "tests")
    assert "# Its labels select x/api (Deployment) too" in written


def test_expectations_allow_what_was_seen_and_deny_the_same_ports_to_others() -> None:
    written = expectations.text(observed(SEEN), ["x"])
    entries = yaml.safe_load(written)["expectations"]
    found = {(one["from"], one["to"], one["port"], one["expect"]) for one in entries}
    assert ("x/deployment/web", "x/deployment/api", 8080, "allow") in found
    assert ("y/deployment/far", "x/deployment/db", 5432, "deny") in found
    assert ("x/deployment/db", "x/deployment/api", 8080, "deny") in found
    assert not [one for one in entries if "192.0.2" in one["from"] + one["to"]]
