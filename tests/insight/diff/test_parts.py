"""Pods of one workload that one state tells apart and the other does not."""

from __future__ import annotations

import random
import re

import msgspec
import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer as explained
from podwire.insight.diff import answer
from podwire.insight.diff.overlay import applied
from podwire.insight.diff.report import Effect, Report
from podwire.insight.snapshot.snapshot import Snapshot
from tests.insight.snapshot.written_text import snapshot

DATABASE = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {replicas: 3, serviceName: db, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c}]}}}
---
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: shop, labels: LABELS, ownerReferences: [OWNER]}
spec: {containers: [{name: c}]}
---
"""
CLIENT = POD.replace("NAME", "client").replace("LABELS", "{app: client}").replace("[OWNER]", "[]")
NAME = "statefulset.kubernetes.io/pod-name"


def policy(name: str, selector: str, ports: str = "") -> str:
    rules = f"[{{ports: [{{port: {ports}}}]}}]" if ports else "[]"
    head = f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\n"
    return f"{head}spec: {{podSelector: {{matchLabels: {selector}}}, ingress: {rules}}}\n---\n"


def compared(old: Snapshot, new: Snapshot) -> Report:
    before, after = answer.told_apart(old, new)
    return answer.differences(before, after, ("old", "new"))


def changed(found: Report) -> list[tuple[str, str]]:
    return [(one.effect, one.destinations[0]) for one in found.connections]


def test_pods_that_one_state_alone_tells_apart_are_the_same_pods_in_both() -> None:
    old = snapshot(DATABASE + CLIENT)
    new = snapshot(DATABASE + CLIENT + policy("one", f"{{{NAME}: db-0}}"))
    assert changed(compared(old, new)) == [("closed", "shop/db (1 of 3 pods)")]
    assert changed(compared(new, old)) == [("opened", "shop/db (1 of 3 pods)")]
    assert [one.kind for one in compared(old, new).objects] == ["NetworkPolicy"]
    all_of_them = snapshot(DATABASE + CLIENT + policy("all", "{app: db}"))
    assert changed(compared(old, all_of_them)) == [("closed", "shop/db")]
    assert changed(compared(all_of_them, new)) == [("opened", "shop/db (2 of 3 pods)")]


def test_further_pods_are_opened_alone() -> None:
    shut = policy("one", f"{{{NAME}: db-0}}")
    new = compared(snapshot(DATABASE + CLIENT + shut), snapshot(DATABASE.replace("3", "5") + CLIENT + shut))
    assert ("opened", "shop/db (2 of 5 pods)") in changed(new)
    assert not new.objects  # another number of pods is no other meaning


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicaSet"])
def test_written_policies_tell_live_pods_apart(kind: str) -> None:
    labels = {"StatefulSet": f"{{app: db, {NAME}: POD}}", "ReplicaSet": "{app: db, version: POD}"}[kind]
    owner = f"{{kind: {kind}, name: db, controller: true}}"
    pods = "".join(
        POD.replace("NAME", one).replace("LABELS", labels.replace("POD", one)).replace("OWNER", owner)
        for one in ("db-0", "db-1")
    )
    live = msgspec.structs.replace(snapshot(pods + CLIENT), is_planned=False)
    key = {"StatefulSet": NAME, "ReplicaSet": "version"}[kind]
    before, written = answer.told_apart(live, snapshot(policy("one", f"{{{key}: db-1}}")))
    found = changed(answer.differences(before, applied(written, before), ("live", "new")))
    assert [one for one in found if "shop/db" in one[1]] == [("closed", "shop/db (1 of 2 pods)")]


@pytest.mark.parametrize("seed", range(12))
def test_as_many_pods_are_opened_and_closed_as_explanations_have(seed: int) -> None:
    chance = random.Random(seed)
    selectors = ["{app: db}", *(f"{{{NAME}: db-{number}}}" for number in range(3)), "{app: other}"]

    def state() -> Snapshot:
        found = (policy(f"p{number}", chance.choice(selectors), chance.choice(["", "80"])) for number in range(2))
        return snapshot(DATABASE + CLIENT + "".join(found))

    old, new = state(), state()
    allowed = [
        [
            explained.report("client", f"shop/pod/db-{number}:80", one).verdict is Verdict.ALLOWED
            for number in range(3)
        ]
        for one in (old, new)
    ]  # fmt: skip
    opened = sum(after and not before for before, after in zip(*allowed, strict=True))
    closed = sum(before and not after for before, after in zip(*allowed, strict=True))
    found = compared(old, new)
    assert (counted(found, Effect.OPENED), counted(found, Effect.CLOSED)) == (opened, closed)


def counted(found: Report, effect: Effect) -> int:
    """How many pods of the database the client reaches by port 80 in one of the states alone."""
    count = 0
    for line in found.connections:
        has_port = any(one.protocol == "TCP" and any(a <= 80 <= b for a, b in one.ranges) for one in line.port_list)
        if line.effect is effect and has_port and "shop/client" in line.sources:
            for name in line.destinations:
                some = re.fullmatch(r"shop/db(?: \((\d) of 3 pods\))?", name)
                count += int(some[1] or 3) if some else 0
    return count
