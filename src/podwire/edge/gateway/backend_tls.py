"""TLS towards the backends of Services, by BackendTLSPolicies. Pure.

Source: gateway-api v1.6.3 `backendtlspolicy_types.go`; of two policies of one target the older one applies (GEP-713).
"""

from __future__ import annotations

import hashlib

import msgspec

from podwire.edge.gateway.certificates import Unresolved, config_map_authorities
from podwire.edge.gateway.kinds.backend_tls_policy import BackendTLSPolicy
from podwire.edge.gateway.kinds.references import CORE
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.tls import Authorities, BackendTls, SubjectName
from podwire.kube.meta import NamespacedName

SYSTEM = "System"
_SUBJECTS = {"Hostname": "DNS", "URI": "URI"}


class PolicyState(msgspec.Struct, frozen=True):
    """What a policy comes to: reasons of its conditions, and its TLS.

    Attributes:
        accepted: reason of Accepted, `Accepted` where it applies.
        resolved: reason of ResolvedRefs, `ResolvedRefs` where all references are.
        message: why not, with field and remedy; empty where it applies.
        tls: how connections are made; None: they must not be, and requests fail.
        authorities: what `tls` names; none for those of the system.

    """

    accepted: str = "Accepted"
    resolved: str = "ResolvedRefs"
    message: str = ""
    tls: BackendTls | None = None
    authorities: tuple[Authorities, ...] = ()


def policy_for(service: NamespacedName, port_name: str, objects: Objects) -> BackendTLSPolicy | None:
    """Return the policy of a port of a Service: one that names the port before one of the Service; the older one."""
    found = [one for one in objects.policies_of(service) if isinstance(one, BackendTLSPolicy)]
    for section in (port_name, ""):
        for one in found:
            if (service.name, section) in _targets(one):
                return one
    return None


def policy_state(policy: BackendTLSPolicy, objects: Objects) -> PolicyState:
    """Return what a policy comes to; Conflicted where an older one has each of its targets."""
    older = {target: first for target in _targets(policy) if (first := _first(policy, target, objects)) != policy.key}
    if older and len(older) == len(set(_targets(policy))):
        first = next(iter(older.values()))
        return PolicyState(
            "Conflicted", message=f"spec.targetRefs: the older BackendTLSPolicy {first} applies: remove one"
        )
    found, problem = _authorities(policy, objects)
    if problem is not None:
        return PolicyState("NoValidCACertificate", problem.reason, problem.message)
    return PolicyState(tls=_tls(policy, found), authorities=tuple(filter(None, (found,))))


def authorities_of(service: NamespacedName, name: str, objects: Objects) -> Authorities | None:
    """Return the authorities that a policy of a Service names; None where no valid one does."""
    for policy in objects.policies_of(service):
        if isinstance(policy, BackendTLSPolicy):
            for one in policy_state(policy, objects).authorities:
                if one.name == name:
                    return one
    return None


def _targets(policy: BackendTLSPolicy) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, one.section_name or "") for one in policy.spec.target_refs if one.is_service)


def _first(policy: BackendTLSPolicy, target: tuple[str, str], objects: Objects) -> NamespacedName:
    service = NamespacedName(policy.metadata.namespace, target[0])
    found = [one for one in objects.policies_of(service) if isinstance(one, BackendTLSPolicy)]
    return next((one.key for one in found if target in _targets(one)), policy.key)


def _authorities(policy: BackendTLSPolicy, objects: Objects) -> tuple[Authorities | None, Unresolved | None]:
    """Return the first authorities that are valid (the API promises one reference), or what is wrong with the last."""
    validation = policy.spec.validation
    if validation.well_known_ca_certificates == SYSTEM:
        return None, None
    problem = Unresolved("InvalidCACertificateRef", "spec.validation: no caCertificateRefs: name a ConfigMap")
    for index, one in enumerate(validation.ca_certificate_refs):
        field = f"spec.validation.caCertificateRefs[{index}]"
        if (one.group, one.kind) != (CORE, "ConfigMap"):
            problem = Unresolved("InvalidKind", f"{field}: kind {one.kind} is not supported: use a ConfigMap")
            continue
        if not objects.reads_config_maps:
            text = "authorities of a ConfigMap are not supported for clients of the mesh, whose requests get 500"
            remedy = "use wellKnownCACertificates: System, or have no BackendTLSPolicy"
            problem = Unresolved("InvalidCACertificateRef", f"{field}: {text}: {remedy}")
            continue
        found = config_map_authorities(NamespacedName(policy.metadata.namespace, one.name), objects)
        if isinstance(found, Authorities):
            return found, None
        problem = Unresolved(found.reason, f"{field}: {found.message}")
    return None, problem


def _tls(policy: BackendTLSPolicy, authorities: Authorities | None) -> BackendTls:
    validation = policy.spec.validation
    names = tuple(SubjectName(_SUBJECTS[one.type], one.hostname or one.uri) for one in validation.subject_alt_names)
    name = authorities.name if authorities else ""
    made = BackendTls(validation.hostname, name, names)
    version = hashlib.blake2b(msgspec.json.encode(made), digest_size=4).hexdigest()
    return msgspec.structs.replace(made, version=version)
