"""Each allow and each deny of the shop (examples/shop), with packets from inside its pods. The table is the demo's."""

from __future__ import annotations

from podwire.lab.demo import demo, plan, report
from tools.cluster import images
from tools.cluster.demo_image import archive
from tools.cluster.kubectl import Kubectl
from tools.cluster.record import Record
from tools.cluster.start import REPOSITORY

SHOP = REPOSITORY / "examples" / "shop"
NAMESPACES = ("shop", "visitors", "monitoring")


def apply(record: Record, kubectl: Kubectl) -> None:
    """Import the shop's image, apply its manifests, wait until all of it is available."""
    images.load(record.layout, record.built, archive(SHOP.glob("*.yaml")))
    kubectl("apply", "-f", str(SHOP))
    for namespace in NAMESPACES:
        kubectl("wait", "deployment", "--all", "-n", namespace, "--for=condition=Available", "--timeout=120s")


def prove(kubectl: Kubectl) -> tuple[report.Line, ...]:
    """Send every probe; the lines of the table, judged."""
    return report.judge(demo.prove(kubectl, plan.probes()))


def summary(lines: tuple[report.Line, ...]) -> str:
    """How many lines were proven, and the first that is wrong."""
    wrong = [line for line in lines if not line.ok]
    seen = f"{len(lines) - len(wrong)} of {len(lines)} lines"
    return f"{seen}; {wrong[0].result.probe.id}: {wrong[0].fault}" if wrong else seen


def remove(kubectl: Kubectl) -> None:
    """Remove the shop."""
    kubectl("delete", "namespace", *NAMESPACES, "--wait=true", "--timeout=120s")
