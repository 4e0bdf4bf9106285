"""What the answer shows: names of sets, families, what depends on addresses; the forms of output."""

from __future__ import annotations

import csv
import json

import pytest

from podwire.insight.reach import text
from podwire.insight.reach.exposure import Exposure
from podwire.insight.reach.report import Connection, PortsLine, Report
from tests.insight.reach.scene import answer, lines, policy, workload

TWO = workload("shop/web") + workload("shop/api")
DENY = policy("shop/deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}")


def test_without_policies_anyone_reaches_all_pods_and_these_all_outside() -> None:
    assert lines(answer(TWO)) == ["anyone -> all pods: any", "all pods -> outside: any"]


def test_a_namespace_that_is_closed_is_reached_by_nobody() -> None:
    found = answer(TWO, workload("other/db"), DENY)
    assert found.unreached == ("shop/api", "shop/web")
    assert lines(found) == [
        "kube-system/kube-dns, other/db, outside -> kube-system/kube-dns, other/db: any",
        "kube-system/kube-dns, other/db -> outside: any",
    ]


def test_ports_and_peers_of_rules() -> None:
    allow = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], "
    allow += "ports: [{port: 80}, {port: 8000, endPort: 8010}, {protocol: UDP}]}]}"
    assert "shop/web -> shop/api: TCP 80,8000-8010, UDP" in lines(answer(TWO, policy("shop/api", allow)))


def test_both_ends_must_agree() -> None:
    sends = policy(
        "shop/a",
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 1, endPort: 80}]}]}",
    )
    receives = policy(
        "shop/b", "{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: 70, endPort: 90}]}]}"
    )
    assert "shop/web -> shop/api: TCP 70-80" in lines(answer(TWO, sends, receives))


def test_addresses_outside_are_named_by_what_policies_say_of_them() -> None:
    allow = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}"
    assert "outside 203.0.113.0/24 -> shop/api: any" in lines(answer(TWO, policy("shop/api", allow)))


def test_all_outside_but_private_networks() -> None:
    block = "{cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}"
    spec = f"{{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Egress], egress: [to: [ipBlock: {block}]]}}"
    found = lines(answer(TWO, policy("shop/web", spec)))
    assert "all pods -> outside 0.0.0.0/0 except 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16: any" in found
    assert not any("shop/web ->" in one for one in found)


def test_a_block_of_all_addresses_holds_pods_too() -> None:
    block = "{ipBlock: {cidr: 0.0.0.0/0}}"
    spec = f"{{podSelector: {{matchLabels: {{app: api}}}}, ingress: [{{from: [{block}], ports: [{{port: 80}}]}}]}}"
    assert "anyone -> shop/api: TCP 80" in lines(answer(TWO, policy("shop/api", spec)))


def test_a_block_of_a_part_of_the_pod_range_is_undecided() -> None:
    spec = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/24}}]}]}"
    allowed = policy("shop/api", spec)
    undecided = [one for one in answer(TWO, allowed).connections if not one.is_certain]
    assert [(one.sources, one.destinations) for one in undecided] == [("all pods", "shop/api")]
    elsewhere = answer(TWO, allowed, ranges="10.1.0.0/16")
    assert all(one.is_certain for one in elsewhere.connections)
    assert "outside 10.244.0.0/24 -> shop/api: any" in lines(elsewhere)


def test_families_that_differ_are_named() -> None:
    spec = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}"
    found = [one for one in answer(TWO, policy("shop/api", spec)).connections if one.destinations == "shop/api"]
    assert [(one.sources, one.family) for one in found] == [("all pods", "IPv6"), ("outside by IPv6", "")]


def test_host_network_pods_are_addresses_of_nodes() -> None:
    node = workload("shop/agent", more="hostNetwork: true")
    found = lines(
        answer(
            TWO,
            node,
            policy("shop/api", "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {}}]}]}"),
        )
    )
    assert "shop/api, shop/web -> shop/api: any" in found  # not the agent, whose labels would match


def test_names_of_ports_are_those_of_the_pod_that_receives() -> None:
    named = workload("shop/api").replace("{name: c}", "{name: c, ports: [{name: http, containerPort: 8080}]}")
    spec = "{podSelector: {}, ingress: [{ports: [{port: http}]}]}"
    found = answer(workload("shop/web") + named, policy("shop/all", spec))
    assert "anyone -> shop/api: TCP 8080" in lines(found)
    assert found.unreached == ("shop/web",)


def test_many_names_are_counted() -> None:
    many = "".join(workload(f"ns{n}/web") for n in range(20)) + workload("shop/api")
    closed = "".join(policy(f"ns{n}/deny", "{podSelector: {}, policyTypes: [Egress]}") for n in range(10))
    assert any("4 more, shop/api" in one or " more -> " in one for one in lines(answer(many, closed)))


def test_output_as_a_table() -> None:
    assert text.text(answer(TWO)).splitlines() == [
        "TO        PORTS  FROM",
        "all pods  any    anyone",
        "outside   any    all pods",
    ]


def test_output_for_programs() -> None:
    found = json.loads(text.to_json(answer(TWO)))
    assert found["connections"][1]["from"] == ["kube-system/kube-dns", "shop/api", "shop/web"]
    assert found["connections"][1]["portList"][0] == {"protocol": "TCP", "ranges": [[1, 65535]]}
    assert found["workloads"][0] == {"name": "shop/web", "kind": "Deployment", "pods": 1, "place": "scene.yaml:3"}


def test_output_for_spreadsheets_has_a_line_for_each_pair_and_no_formula() -> None:
    found = list(csv.reader("".join(text.to_csv(answer(TWO))).splitlines()))
    assert ["shop/web", "shop/api", "TCP", "1-65535", "", "yes", "", ""] in found
    hostile = Connection(("=cmd()",), ("x",), "", "", "", (PortsLine("TCP"),))
    assert list(csv.reader("".join(text.to_csv(Report((), (hostile,), (), ()))).splitlines()))[1][0] == "'=cmd()"


def test_ways_from_outside_are_in_each_form_of_output() -> None:
    open_ = Exposure("Ingress", "shop/site", "shop.example.com/", ("shop/web:8080/TCP",), "outside through x/envoy")
    shut = Exposure("NodePort", "shop/web", "node:30080/UDP", ("shop/web:53/UDP", "shop/dns:53/UDP"))
    empty = Exposure("NodePort", "shop/old", "node:30081/TCP")
    found = Report((), (), (), (), (open_, shut, empty))
    assert list(csv.reader("".join(text.to_csv(found)).splitlines()))[1:] == [
        ["outside through x/envoy", "shop/web", "TCP", "8080", "", "yes", "Ingress shop/site", "shop.example.com/"],
        ["nobody", "shop/web", "UDP", "53", "", "yes", "NodePort shop/web", "node:30080/UDP"],
        ["nobody", "shop/dns", "UDP", "53", "", "yes", "NodePort shop/web", "node:30080/UDP"],
        ["nobody", "", "", "", "", "yes", "NodePort shop/old", "node:30081/TCP"],
    ]
    edges = [one.strip() for one in text.to_dot(found).splitlines() if "->" in one]
    assert edges == [
        '"outside" -> "Ingress shop/site shop.example.com/" [label="through x/envoy"];',
        '"Ingress shop/site shop.example.com/" -> "shop/web" [label="TCP 8080"];',
        '"NodePort shop/web node:30080/UDP" -> "shop/web" [label="UDP 53", style=dotted];',
        '"NodePort shop/web node:30080/UDP" -> "shop/dns" [label="UDP 53", style=dotted];',
    ]


def test_output_for_graphviz_escapes_names_and_has_a_limit() -> None:
    hostile = Connection(('a"];evil',), ("x",), "", "", "any", ())
    assert r'"a\"];evil" -> "x"' in text.to_dot(Report((), (hostile,), (), ()))
    many = Connection(tuple(map(str, range(100))), tuple(map(str, range(100))), "", "", "any", ())
    with pytest.raises(text.TooManyEdgesError, match="10,000 edges"):
        text.to_dot(Report((), (many,), (), ()))


def test_cluster_policies_decide_before_and_after_others() -> None:
    denied = (
        "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: all}\n"
        "spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [namespaces: {}], "
        "protocols: [tcp: {destinationPort: {number: 22}}]}]}\n"
    )
    found = lines(answer(TWO, denied))
    assert "all pods -> all pods: TCP 1-21,23-65535, UDP, SCTP, other protocols" in found
    assert "outside -> all pods: any" in found
