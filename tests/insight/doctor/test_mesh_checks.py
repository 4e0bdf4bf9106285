"""Findings about the mesh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.insight.doctor import mesh_checks, rules
from podwire.insight.doctor.examine import examine
from podwire.insight.doctor.mesh_facts import EnrolledPod, MeshFacts, MeshPod
from podwire.insight.doctor.mesh_node import parsed
from podwire.insight.doctor.mesh_survey import LEASE, leader
from podwire.insight.doctor.node_facts import Expiry, MeshNodeFact
from podwire.insight.doctor.report import Level, Rule
from podwire.kube.coordination import Lease, LeaseSpec
from podwire.kube.meta import NamespacedName, ObjectMeta
from tests.insight.doctor.scene import NOW, YEAR, cluster, facts

DAY = 86400
POD = NamespacedName("shop", "web-1")
OWN = NamespacedName("podwire-system", "podwire-mesh-x")
WELL = MeshFacts(
    (EnrolledPod(POD, "a", is_redirected=True),),
    (MeshPod(OWN, "a"),),
    "controller-1",
    authorities=(Expiry("root certificate", NOW + YEAR),),
)


def found(mesh: MeshFacts | None) -> list[tuple[Level, str, str]]:
    report = examine("x", cluster(mesh=mesh))
    return [(one.level, one.object, one.finding) for one in report.findings if one.check == "mesh"]


@pytest.mark.parametrize(
    "mesh", [WELL, None, msgspec.structs.replace(WELL, leader=None)], ids=["well", "none", "lease not readable"]
)
def test_nothing_is_found_where_nothing_is_wrong(mesh: MeshFacts | None) -> None:
    assert found(mesh) == []
    assert list(mesh_checks.node(facts(mesh=MeshNodeFact()))) == []
    assert list(mesh_checks.node(facts(mesh=None))) == []


@pytest.mark.parametrize(
    ("changes", "level", "place", "words"),
    [
        ({"leader": ""}, Level.ERROR, "the mesh", "no mesh-controller leads"),
        ({"trusts": False}, Level.ERROR, mesh_checks.AUTHORITY, "nodes have no root"),
        ({"authority_problem": "forbidden"}, Level.WARNING, mesh_checks.AUTHORITY, "it is not known: forbidden"),
        (
            {"authorities": (Expiry("root certificate", NOW + DAY),)},
            Level.WARNING,
            mesh_checks.AUTHORITY,
            "the root certificate expires at",
        ),
        (
            {"authorities": (Expiry("intermediate certificate", NOW - DAY),)},
            Level.ERROR,
            mesh_checks.AUTHORITY,
            "the intermediate certificate expired at",
        ),
        ({"node_pods": ()}, Level.ERROR, "a", "the mesh has no pod here"),
        ({"node_pods": (MeshPod(OWN, "a", "CrashLoopBackOff"),)}, Level.ERROR, f"pod {OWN}", "CrashLoopBackOff"),
        (
            {"enrolled": (EnrolledPod(POD, "a", is_redirected=False),)},
            Level.ERROR,
            "a",
            "connections of 1 enrolled pods are not led to Envoy, such as shop/web-1",
        ),
    ],
)
def test_each_fault_of_the_cluster(changes: dict[str, Any], level: Level, place: str, words: str) -> None:
    (one,) = found(msgspec.structs.replace(WELL, **changes))
    assert one[:2] == (level, place)
    assert words in one[2]


@pytest.mark.parametrize(
    ("fact", "rule"),
    [
        (MeshNodeFact(problem="cannot list"), rules.MESH_NOT_READY),
        (MeshNodeFact(is_connected=False), rules.MESH_ENVOY_AWAY),
        (MeshNodeFact(refusals={"Listener": 2}), rules.MESH_REFUSED),
        (MeshNodeFact(lacking=1), rules.MESH_LACKING),
        (MeshNodeFact(late=1), rules.MESH_LATE),
        (MeshNodeFact(has_wrong_options=True), rules.MESH_OPTIONS),
    ],
)
def test_each_fault_of_a_node(fact: MeshNodeFact, rule: Rule) -> None:
    (one,) = mesh_checks.node(facts(mesh=fact))
    assert (one.object, one.level) == ("a", rule.level)
    assert one.finding.startswith(rule.finding.partition("{")[0])


PAGE = """\
# TYPE podwire_mesh_certificates gauge
podwire_mesh_certificates 2
podwire_mesh_certificates_lacking 1
podwire_mesh_certificates_late 1
podwire_mesh_options_problem 1
podwire_xds_connected_envoys{proxy="mesh"} 1
podwire_xds_refusals_total{proxy="mesh",type="Listener"} 3
podwire_xds_refusals_total{proxy="mesh",type="Cluster"} 0
"""


def test_what_a_node_reports_is_read() -> None:
    assert parsed("not ready\ncannot list\n", PAGE) == MeshNodeFact(
        "not ready; cannot list", True, {"Listener": 3}, 1, 1, True
    )
    assert parsed("", "another_program 1\n") is None
    away = parsed("", PAGE.replace('"mesh"} 1', '"mesh"} 0'))
    assert away is not None
    assert not away.is_connected


def test_a_leader_renews_its_lease() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for holder, seconds, expected in (("a", 5, "a"), ("", 5, ""), ("a", 120, "")):
        spec = LeaseSpec(holder_identity=holder, renew_time=(now - timedelta(seconds=seconds)).isoformat())
        lease = Lease(metadata=ObjectMeta(name=LEASE.name, namespace=LEASE.namespace), spec=spec)
        assert leader((lease,), now) == expected
    assert leader((), now) == ""
