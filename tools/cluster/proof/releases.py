"""An upgrade and other overlays, there and back, under traffic; an uninstallation that leaves nodes as they were."""

from __future__ import annotations

from podwire import __version__
from tools.cluster import enter
from tools.cluster.api import wait
from tools.cluster.installation import podwire
from tools.cluster.kubectl import items
from tools.cluster.proof import node_state, shop
from tools.cluster.proof.disturbances import LEAST_REQUESTS, described
from tools.cluster.proof.subject import SETTLE_SECONDS, Subject
from tools.cluster.traffic import Traffic

UPGRADE, OVERLAY, UNINSTALL = "upgrade", "overlay", "uninstall"
IMAGES = tuple(f"docker.io/library/{name}:{__version__}" for name in ("podwire", "podwire-gateway"))
NEXT = "-next"
"""After the tag of the same images under another name."""
SHOWN_DIFFERENCES = 5


def upgrade_and_back(subject: Subject, traffic: Traffic) -> None:
    """Upgrade every node to the same images under other names, one after the other, and go back to revision 1."""
    for host in _nodes(subject):
        for image in IMAGES:
            words = (str(subject.record.built["ctr"]), "--namespace=k8s.io", "images", "tag", "--force")
            enter.run(subject.layout, host, *words, image, image + NEXT)
    traffic.take()
    steps = {
        "podwire upgrade": ("--image", IMAGES[0] + NEXT),
        "podwire upgrade --to-revision 1": ("--to-revision", "1"),
    }
    for name, flags in steps.items():
        podwire(subject.layout, "upgrade", *flags)
        subject.settle()
        counts = traffic.take_after(LEAST_REQUESTS)
        subject.check(UPGRADE, name, described(counts), counts.lost == 0)


def change_overlay(subject: Subject, traffic: Traffic) -> None:
    """Go over to each other way between nodes that needs no router, and back: three rounds of all nodes each."""
    traffic.take()
    for overlay in ("vxlan", "cross-subnet", "direct"):
        podwire(subject.layout, "upgrade", "--overlay", overlay)
        subject.settle()
        counts = traffic.take_after(LEAST_REQUESTS)
        subject.check(OVERLAY, f"podwire upgrade --overlay {overlay}", described(counts), counts.lost == 0)


def uninstall(subject: Subject, before: dict[str, dict[str, str]]) -> None:
    """Uninstall; each node is as it was before the installation. Pods that are no part of podwire are removed first."""
    if subject.has_shop:
        shop.remove(subject.kubectl)
    podwire(subject.layout, "uninstall")
    wait("no pod is left", SETTLE_SECONDS, lambda: not items(subject.kubectl, "pods", "-A"))
    for host in _nodes(subject):
        found = node_state.differences(before[host], node_state.read(subject.layout, host))
        shown = (
            "; ".join(found[:SHOWN_DIFFERENCES]) or "rules, routes, links, sysctls, files as before the installation"
        )
        subject.check(UNINSTALL, host, shown, not found)


def _nodes(subject: Subject) -> list[str]:
    return [host.name for host in subject.layout.hosts if host.is_node]
