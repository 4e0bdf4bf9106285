"""Objects of a scenario as YAML, and the answer to it."""

from __future__ import annotations

import ipaddress
import textwrap

from podwire.insight.reach.report import Report, report
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.manifests import objects
from podwire.insight.sources.text import Text


def workload(name: str, *, labels: str = "", more: str = "") -> str:
    """A Deployment such as workload("shop/web") with the label app=web, and the lines `more` in its pods' spec."""
    namespace, _, own = name.partition("/")
    pairs = "".join(f", {pair.replace('=', ': ')}" for pair in labels.split())
    return textwrap.dedent(
        f"""
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: {own}, namespace: {namespace}}}
        spec:
          template:
            metadata: {{labels: {{app: {own}{pairs}}}}}
            spec: {{containers: [{{name: c}}]{", " + more if more else ""}}}
        """
    )


def policy(name: str, spec: str) -> str:
    namespace, _, own = name.partition("/")
    kind = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
    return f"---\n{kind}metadata: {{name: {own}, namespace: {namespace}}}\nspec: {spec}\n"


def snapshot(*texts: str, ranges: str = "") -> Snapshot:
    found = objects(Text("scene.yaml", "".join(texts)))
    return snapshot_of(found, "default", tuple(map(ipaddress.ip_network, ranges.split())))


def answer(*texts: str, ranges: str = "") -> Report:
    return report(snapshot(*texts, ranges=ranges))


def lines(found: Report) -> list[str]:
    """Each connection as one line, without those of the DNS server that every cluster has."""
    marked = (
        (one, f" ({one.family})" * bool(one.family) + "" if one.is_certain else " ?") for one in found.connections
    )
    return [f"{one.sources} -> {one.destinations}: {one.ports}{mark}" for one, mark in marked]
