"""Metrics of the mesh controller."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from podwire.component.metrics import Family
from podwire.mesh.controller.authority_loop import AuthorityLoop
from podwire.mesh.controller.signer import Signer


def families(loop: AuthorityLoop, signer: Signer, now: datetime, *, leading: bool) -> Iterator[Family]:
    """Yield them; those of the authority while this process leads."""
    yield _gauge("leading", "1 while this process leads.", leading)
    if not leading or loop.state is None:
        return
    state = loop.state
    ends = {"intermediate": state.active.not_after, "root": min(one.not_after for one in state.roots)}
    yield Family(
        "podwire_mesh_authority_remaining_seconds",
        "Until the authority expires; of roots the first one.",
        "gauge",
        tuple(({"authority": name}, (end - now).total_seconds()) for name, end in ends.items()),
    )
    yield _gauge("authority_roots", "Roots that nodes trust: 2 during a rotation.", len(state.roots))
    yield _gauge("authority_problem", "1 while a user must act: the log has the remedy.", bool(loop.problem))
    yield _gauge("nodes_behind", "Nodes that have not reported the present trust bundle.", len(loop.behind))
    yield Family(
        "podwire_mesh_certificates_total",
        "Requests of nodes for certificates.",
        "counter",
        (({"result": "signed"}, signer.signed), ({"result": "refused"}, signer.refused)),
    )
    yield Family(
        "podwire_mesh_tokens_total",
        "Requests of nodes for tokens (JWT-SVID).",
        "counter",
        (({"result": "signed"}, signer.tokens_signed), ({"result": "refused"}, signer.tokens_refused)),
    )


def _gauge(name: str, text: str, value: float) -> Family:
    return Family(f"podwire_mesh_{name}", text, "gauge", (({}, value),))
