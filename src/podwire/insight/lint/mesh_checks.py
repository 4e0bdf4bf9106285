"""Checks of the mesh's policies. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.scene import Scene
from podwire.mesh.authorization import reading
from podwire.mesh.kinds.authorization_policy import AuthorizationPolicy
from podwire.mesh.kinds.request_authentication import RequestAuthentication


def invalid_policies(scene: Scene) -> Iterator[Finding]:
    """Policies of the mesh with a field that cannot be read."""
    for policy in scene.snapshot.mesh.authorizations:
        yield from _invalid(scene, "AuthorizationPolicy", policy, reading.read(policy).problems)
    for one in scene.snapshot.mesh.authentications:
        yield from _invalid(scene, "RequestAuthentication", one, reading.read_tokens(one).problems)


def _invalid(
    scene: Scene, kind: str, one: AuthorizationPolicy | RequestAuthentication, problems: tuple[str, ...]
) -> Iterator[Finding]:
    for problem in problems:
        field, _, remedy = problem.partition(": ")
        message = f"{field}: it cannot be read: what it allows is not allowed, what it denies is denied"
        place = scene.at(kind, one.key, "spec")
        yield Finding("mesh-policy-not-valid", Severity.ERROR, place, f"{kind} {one.key}", message, remedy)


def not_judged(scene: Scene) -> Iterator[Finding]:
    """Report once that the checks of connections do not know the mesh's policies."""
    mesh = scene.snapshot.mesh
    named = (("AuthorizationPolicy", mesh.authorizations), ("TransportPolicy", mesh.transports))
    for kind, found in named:
        for one in found[:1]:
            message = (
                f"no check of connections judges objects of this kind, which may forbid more ({len(found)} in all)"
            )
            remedy = "see 'podwire explain FROM TO' for a connection, 'podwire mesh audit' for all pods"
            place = scene.at(kind, one.key)
            yield Finding("mesh-not-judged", Severity.INFO, place, f"{kind} {one.key}", message, remedy)
