"""BackendTLSPolicy. Source: gateway-api v1.6.3 `apis/v1/backendtlspolicy_types.go`."""

from __future__ import annotations

import msgspec

from podwire.edge.gateway.kinds.references import CORE, LocalObjectReference, ParentReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, NamespacedName, Object, Struct


class PolicyTarget(Struct, frozen=True):
    """A Service of the policy's namespace, or one of its ports by name."""

    group: str = ""
    kind: str = ""
    name: str = ""
    section_name: str | None = None

    @property
    def is_service(self) -> bool:
        """Whether group and kind are those of a Service."""
        return self.group == CORE and self.kind == "Service"


class SubjectAltName(Struct, frozen=True):
    """A name that a backend's certificate must have; `type` is `Hostname` or `URI`."""

    type: str = ""
    hostname: str = ""
    uri: str = ""


class BackendTLSPolicyValidation(Struct, frozen=True):
    """How a backend's certificate is verified."""

    ca_certificate_refs: tuple[LocalObjectReference, ...] = ()
    well_known_ca_certificates: str | None = msgspec.field(default=None, name="wellKnownCACertificates")
    hostname: str = ""
    subject_alt_names: tuple[SubjectAltName, ...] = ()


class BackendTLSPolicySpec(Struct, frozen=True):
    """The desired state."""

    target_refs: tuple[PolicyTarget, ...] = ()
    validation: BackendTLSPolicyValidation = BackendTLSPolicyValidation()


class PolicyAncestorStatus(Struct, frozen=True):
    """What a controller wrote about one Gateway whose routes use a target of the policy."""

    ancestor_ref: ParentReference = ParentReference()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class PolicyStatus(Struct, frozen=True):
    """What controllers wrote: each about its own ancestors."""

    ancestors: tuple[PolicyAncestorStatus, ...] = ()


class BackendTLSPolicy(Object, frozen=True):
    """TLS towards the backends of Services."""

    spec: BackendTLSPolicySpec = BackendTLSPolicySpec()
    status: PolicyStatus = PolicyStatus()

    @property
    def services(self) -> tuple[NamespacedName, ...]:
        """The Services that it is for."""
        targets = (one for one in self.spec.target_refs if one.is_service)
        return tuple(NamespacedName(self.metadata.namespace, one.name) for one in targets)

    @property
    def config_maps(self) -> tuple[NamespacedName, ...]:
        """The ConfigMaps with its authorities."""
        found = (one for one in self.spec.validation.ca_certificate_refs if one.kind == "ConfigMap")
        return tuple(NamespacedName(self.metadata.namespace, one.name) for one in found if one.group == CORE)


BACKEND_TLS_POLICIES = Kind(f"{GROUP}/v1", "BackendTLSPolicy", "backendtlspolicies", BackendTLSPolicy)
