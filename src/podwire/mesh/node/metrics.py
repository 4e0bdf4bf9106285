"""Metrics of a node's certificates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from podwire.component.metrics import Family, gauge
from podwire.mesh.node.certificates import Certificates

LATE = 0.75
"""Of its life, at half of which a certificate is to be replaced."""


def of_certificates(certificates: Certificates, now: datetime) -> Iterator[Family]:
    """Yield how many there are, how many are lacking, and when the first one expires."""
    leaves = certificates.leaves
    yield gauge("podwire_mesh_certificates", "Identities that the node has a certificate of.", len(leaves))
    lacking = len(certificates.desired - leaves.keys())
    yield gauge("podwire_mesh_certificates_lacking", "Identities of pods of the node without a certificate.", lacking)
    late = sum(now > one.not_before + (one.not_after - one.not_before) * LATE for one in leaves.values())
    yield gauge("podwire_mesh_certificates_late", "Those past three quarters of their life.", late)
    if leaves:
        remaining = min(one.not_after for one in leaves.values()) - now
        text = "Until the first certificate of the node expires; each is replaced at half of its life."
        yield gauge("podwire_mesh_certificate_remaining_seconds", text, remaining.total_seconds())
