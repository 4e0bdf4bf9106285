"""AuthorizationPolicy of `mesh.podwire.dev/v1alpha1`: who may connect to selected pods, and what may be requested."""

from __future__ import annotations

import msgspec

from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, LabelSelector, NamespacedName, Object, ObjectMeta, Struct
from podwire.mesh.kinds.backend_policy import GROUP


class TokenSubject(Struct, frozen=True):
    """Whose verified token a request has, and of which issuer."""

    issuer: str = "*"
    subject: str = "*"


class RuleSource(Struct, frozen=True):
    """Who connects or requests; all fields hold, one value of each. Identities are `NAMESPACE/SERVICEACCOUNT`."""

    identities: tuple[str, ...] = ()
    not_identities: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    not_addresses: tuple[str, ...] = ()
    tokens: tuple[TokenSubject, ...] = ()
    not_tokens: tuple[TokenSubject, ...] = ()


class RuleOperation(Struct, frozen=True):
    """What is connected to or requested; all fields hold, one value of each."""

    ports: tuple[int, ...] = ()
    not_ports: tuple[int, ...] = ()
    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()


class RuleCondition(Struct, frozen=True):
    """A header, or a claim of the verified token, has one of the values and none of `notValues`."""

    header: str = ""
    claim: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()


class AuthorizationRule(Struct, frozen=True):
    """Matches where one source, one operation and all conditions do; what is absent does."""

    name: str = ""
    sources: tuple[RuleSource, ...] = msgspec.field(default=(), name="from")
    operations: tuple[RuleOperation, ...] = msgspec.field(default=(), name="to")
    conditions: tuple[RuleCondition, ...] = msgspec.field(default=(), name="when")


class AuthorizationPolicySpec(Struct, frozen=True):
    """The desired state."""

    selector: LabelSelector = LabelSelector()
    action: str = "ALLOW"
    rules: tuple[AuthorizationRule, ...] = ()


class PolicyStatus(Struct, frozen=True):
    """Whether it is in force."""

    conditions: tuple[Condition, ...] = ()


class AuthorizationPolicy(Object, frozen=True):
    """A policy of the pods of its namespace."""

    spec: AuthorizationPolicySpec = AuthorizationPolicySpec()
    status: PolicyStatus = PolicyStatus()


def closed_policy(key: NamespacedName) -> AuthorizationPolicy:
    """Return a policy of this name that cannot be read: it denies all to the pods of its namespace."""
    spec = AuthorizationPolicySpec(action="DENY", rules=(AuthorizationRule(),))
    return AuthorizationPolicy(metadata=ObjectMeta(name=key.name, namespace=key.namespace), spec=spec)


AUTHORIZATION_POLICIES = Kind(
    f"{GROUP}/v1alpha1", "AuthorizationPolicy", "authorizationpolicies", AuthorizationPolicy, substitute=closed_policy
)
