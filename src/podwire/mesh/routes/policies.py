"""The policies of Services: which one is in force at a port, and what is wrong with the others. Pure.

Of several policies of one kind for a port, one that names the port is in force, then the oldest, then the first by
name. What a BackendPolicy leaves out is that of an XBackendTrafficPolicy.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec

from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner, owner
from podwire.kube.meta import NamespacedName
from podwire.mesh.kinds.backend_policy import AnyBackendPolicy, BackendPolicySpec, PolicyTarget
from podwire.mesh.routes.settings import NOTHING, Settings, joined, problem, settings

KINDS = ("BackendPolicy", "XBackendTrafficPolicy")


class PolicyProblem(msgspec.Struct, frozen=True):
    """Why a policy is not in force: reason and message of Accepted=False."""

    reason: str
    message: str


class Policies:
    """All policies of Services. A look-up costs as many policies as one Service has."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._policies: dict[Owner, AnyBackendPolicy] = {}
        self._of: defaultdict[NamespacedName, set[Owner]] = defaultdict(set)

    def put(self, kind: str, value: AnyBackendPolicy) -> tuple[Owner, ...]:
        """Add or replace a policy; return the owners to derive again: none where only its status has changed."""
        key = owner(kind, value.key)
        old = self._policies.get(key)
        if old is not None and old.spec == value.spec and old.metadata.generation == value.metadata.generation:
            self._policies[key] = value
            return ()
        return self._change(key, value)

    def remove(self, kind: str, key: NamespacedName) -> tuple[Owner, ...]:
        """Remove a policy, which need not exist; return the owners to derive again."""
        return self._change(owner(kind, key), None)

    def get(self, policy: Owner) -> AnyBackendPolicy | None:
        """Return a policy; None where there is none of this name."""
        return self._policies.get(policy)

    def all(self) -> tuple[Owner, ...]:
        """Return all policies."""
        return tuple(self._policies)

    def of(self, service: NamespacedName) -> tuple[Owner, ...]:
        """Return the policies of a Service, in force or not, by name."""
        return tuple(sorted(self._of.get(service, ())))

    def settings(self, service: NamespacedName, port: int) -> Settings:
        """Return what holds for the requests to a port of a Service."""
        if service not in self._of:
            return NOTHING
        name = self._port_name(service, port)
        found = [spec for kind in KINDS if (spec := self._in_force(kind, service, name)) is not None]
        if not found:
            return NOTHING
        spec = joined(found[0], found[1]) if len(found) > 1 else found[0]
        return settings(spec, service.name)

    def problem(self, policy: Owner) -> PolicyProblem | None:
        """Return why a policy is not in force at all; None where it is somewhere."""
        value = self._policies[policy]
        if text := problem(value.spec):
            return PolicyProblem("Invalid", text)
        found = [self._target_problem(policy, one) for one in value.spec.target_refs]
        return found[0] if found and all(found) else None

    def _target_problem(self, policy: Owner, target: PolicyTarget) -> PolicyProblem | None:
        key = NamespacedName(policy.namespace, target.name)
        service = self._objects.services.get(key)
        if service is None:
            message = f"Service {key} does not exist: create it or change spec.targetRefs"
            return PolicyProblem("TargetNotFound", message)
        names = [one.name for one in service.spec.ports if target.section_name in (None, one.name)]
        if not names:
            ports = ", ".join(one.name for one in service.spec.ports if one.name) or "none"
            message = f"Service {key} has no port of the name {target.section_name}: its names are {ports}"
            return PolicyProblem("TargetNotFound", message)
        firsts = [self._first(policy.kind, key, name) for name in names]
        if policy in firsts:
            return None
        rival = next(one for one in firsts if one is not None)
        message = f"{rival.kind} {rival.key} for Service {key} is older, or names its port: join them"
        return PolicyProblem("Conflicted", message)

    def _change(self, key: Owner, value: AnyBackendPolicy | None) -> tuple[Owner, ...]:
        old = self._policies.pop(key, None)
        if value is not None:
            self._policies[key] = value
        before = frozenset(old.services) if old is not None else frozenset()
        after = frozenset(value.services) if value is not None else frozenset()
        for service in before - after:
            self._of[service].discard(key)
            if not self._of[service]:
                del self._of[service]
        for service in after:
            self._of[service].add(key)
        affected = {key}
        for service in before | after:
            affected |= {owner("Service", service), *self._of.get(service, ())}
            affected |= {*self._objects.routes_on(service), *self._objects.routes_to(service)}
        return tuple(sorted(one for one in affected if one.kind.endswith("Route") or one.kind in ("Service", *KINDS)))

    def _in_force(self, kind: str, service: NamespacedName, port: str) -> BackendPolicySpec | None:
        first = self._first(kind, service, port)
        return self._policies[first].spec if first is not None else None

    def _first(self, kind: str, service: NamespacedName, port: str) -> Owner | None:
        """Return the policy of a kind that is in force at the port of this name."""
        found = []
        for one in self._of.get(service, ()):
            value = self._policies[one]
            sections = {each.section_name for each in value.spec.target_refs if each.name == service.name}
            if one.kind == kind and not problem(value.spec) and (None in sections or port in sections):
                age = value.metadata.creation_timestamp or ""
                found.append((port not in sections, age, one.name, one))
        return min(found)[-1] if found else None

    def _port_name(self, service: NamespacedName, port: int) -> str:
        found = self._objects.services.get(service)
        ports = found.spec.ports if found is not None else ()
        return next((one.name for one in ports if (one.port, one.protocol) == (port, "TCP")), "")
