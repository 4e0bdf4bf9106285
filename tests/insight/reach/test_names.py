"""Each name that reach shows is one that explanations and expectations take, and they agree with it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.insight.reach import assumed
from podwire.insight.reach.report import Report, report
from podwire.insight.snapshot import assumed_dns
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources import reading
from podwire.insight.verify.expectations import Expectation
from podwire.insight.verify.question import question
from tests.insight.connection.test_differential import Made
from tests.insight.reach.scene import policy, snapshot, workload

EXAMPLES = Path(__file__).parents[3] / "examples"
PORT = 80
DNS = "kube-system/kube-dns"


def shown_ports(found: Report, source: str, server: str) -> bool | None:
    """Whether TCP 80 is shown between two names; None where it depends on addresses."""
    certain: set[bool] = set()
    for one in found.connections:
        if source in one.from_ and server in one.to:
            for line in one.port_list:
                if line.protocol == "TCP" and any(first <= PORT <= last for first, last in line.ranges):
                    certain.add(one.is_certain)
    return True in certain if True in certain or not certain else None


def explained(source: str, server: str, objects: Snapshot, port: str = str(PORT)) -> Verdict:
    pair = source, f"{server}:{port}"
    return assumed.answered(objects, lambda known: answer.report(*pair, known)).verdict


def check(objects: Snapshot) -> tuple[set[str], set[bool | None]]:
    """Compare both answers for all pairs of names that are shown; return the names, and what was found."""
    found, seen = report(objects), set()
    names = [one.name for one in found.workloads]
    pods = {DNS: "kube-system/deployment/kube-dns"}  # the name alone means its Service to clients
    for source, server in itertools.product((*names, "outside"), names):
        if source != server:
            is_shown = shown_ports(found, source, server)
            words = {True: Verdict.ALLOWED, False: Verdict.NOT_ALLOWED, None: Verdict.UNDECIDABLE}
            assert explained(source, pods.get(server, server), objects) is words[is_shown], (source, server)
            seen.add(is_shown)
    return set(names), seen


def test_names_of_random_clusters() -> None:
    seen: set[bool | None] = set()
    for seed in range(12):
        made = Made(seed, with_blocks=False)
        names, found = check(made.snapshot)
        assert "kube-system/kube-dns" in names
        seen |= found
    assert seen >= {True, False}


def test_the_clusters_dns_is_assumed_by_its_name_and_service() -> None:
    closed = policy("shop/deny", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: "
                    "{matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}]}")  # fmt: skip
    objects = snapshot(workload("shop/web"), workload("shop/api"), closed)
    for name in ("kube-system/kube-dns", "kube-dns.kube-system", "kube-dns.kube-system.svc.cluster.local"):
        found = answer.report("shop/web", f"{name}:53/UDP", assumed_dns.completed(objects))
        assert (found.verdict, "Assumed" in {one.reason for one in found.findings}) == (Verdict.ALLOWED, True), name
    assert explained("shop/web", "shop/api", objects) is Verdict.NOT_ALLOWED


def test_names_of_several_kinds_have_their_kind() -> None:
    job = (
        "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web, namespace: shop}\nspec: {jobTemplate: {spec: "
    )
    job += "{template: {metadata: {labels: {app: job}}, spec: {containers: [{name: c}]}}}}}\n"
    allow = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: job}}}]}]}"
    names, found = check(snapshot(workload("shop/web"), job, policy("shop/in", allow)))
    assert names == {"shop/deployment/web", "shop/cronjob/web", "kube-system/kube-dns"}
    assert found == {True, False}


def pod(name: str, owner: str, address: str) -> str:
    owned = f"ownerReferences: [{{kind: StatefulSet, name: {owner}, controller: true}}]"
    metadata = f"name: {name}, namespace: shop, {owned}"
    return f"---\napiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\nstatus: {{podIP: {address}}}\n"


def test_a_workload_of_which_some_pods_are_reached_is_reached() -> None:
    pods = pod("web-0", "web", "10.244.0.1") + pod("web-1", "web", "10.244.0.2") + workload("other/db")
    first = "[{ipBlock: {cidr: 10.244.0.1/32}}]"
    some = policy("shop/out", f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: {first}}}]}}")
    own = policy("shop/in", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
    closed = policy("other/deny", "{podSelector: {}}") + own
    found = report(snapshot(pods, some, closed))
    assert "shop/web (1 of 2 pods)" in {name for one in found.connections for name in one.to}
    assert found.unreached == ("other/db",)


@pytest.mark.parametrize("folder", ["gateway", "ingress"])
def test_envoys_of_written_gateways_are_names(folder: str) -> None:
    objects = snapshot_of(reading.read((str(EXAMPLES / folder),), (), is_recursive=False))
    found = report(objects)
    ways = [one for one in found.exposures if "through" in one.reached_by]
    assert ways
    for one in ways:
        for target in one.to:
            name, port = target.split(":")
            pods = name.replace("/", "/deployment/")
            assert explained(one.reached_by.rpartition(" ")[2], pods, objects, port) is Verdict.ALLOWED


def test_expectations_take_each_name_at_both_ends() -> None:
    made = Made(3, with_blocks=False)
    objects = assumed.answered(made.snapshot, lambda known: known)
    for one in report(made.snapshot).workloads:
        for source, server in ((one.name, "outside"), ("outside", one.name)):
            ends = question(Expectation(source, server, PORT, "TCP", "deny"), objects)
            assert {ends.client.text, ends.server.text} == {one.name, "outside"}
