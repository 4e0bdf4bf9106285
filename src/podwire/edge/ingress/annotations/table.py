"""Every annotation of ingress-nginx v1.15.1: whether it is honoured, how it differs, or why it is refused. Pure.

docs/reference/ingress-annotations.md is made from this table. Source: kubernetes/ingress-nginx
`docs/user-guide/nginx-configuration/annotations.md`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.annotations import protection, responses, routing, upstreams
from podwire.edge.ingress.annotations.annotation import Annotation, Support, refused
from podwire.edge.ingress.annotations.refused import REFUSED

__all__ = ["PREFIXES", "REMEDY", "TABLE", "Annotation", "Support"]

PREFIXES = ("nginx.ingress.kubernetes.io/", "podwire.dev/")
REMEDY = "correct the value, or remove the annotation"


def _annotations() -> Iterator[Annotation]:
    yield from routing.rows()
    yield from protection.rows()
    yield from upstreams.rows()
    yield from responses.rows()
    for area, note, names in REFUSED:
        yield from refused(area, note, *names)


TABLE = {one.name: one for one in _annotations()}
