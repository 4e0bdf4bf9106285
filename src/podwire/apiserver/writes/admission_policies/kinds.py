"""ValidatingAdmissionPolicy and ValidatingAdmissionPolicyBinding as they are evaluated.

Source: k8s.io/api `admissionregistration/v1/types.go`; defaults as its `defaults.go`.
"""

from __future__ import annotations

import msgspec

from podwire.kube.meta import LabelSelector


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Rule(_Camel, frozen=True):
    """Operations on resources; `*` is any. A resource is `pods`, `pods/status`, `pods/*`, `*/scale`, `*` or `*/*`."""

    operations: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    scope: str = "*"


class MatchResources(_Camel, frozen=True):
    """Which requests; without rules every one."""

    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    resource_rules: tuple[Rule, ...] = ()
    exclude_resource_rules: tuple[Rule, ...] = ()
    match_policy: str = "Equivalent"


class ParamKind(_Camel, frozen=True):
    """The kind of the objects that expressions read as `params`."""

    api_version: str = ""
    kind: str = ""


class Named(_Camel, frozen=True):
    """An expression with a name: a match condition or a variable."""

    name: str = ""
    expression: str = ""


class Validation(_Camel, frozen=True):
    """What must be true."""

    expression: str = ""
    message: str = ""
    message_expression: str = ""
    reason: str = "Invalid"


class AuditAnnotation(_Camel, frozen=True):
    """What is logged about a request."""

    key: str = ""
    value_expression: str = ""


class PolicySpec(_Camel, frozen=True):
    """What a policy demands, and of which requests."""

    param_kind: ParamKind | None = None
    match_constraints: MatchResources = MatchResources()
    match_conditions: tuple[Named, ...] = ()
    variables: tuple[Named, ...] = ()
    validations: tuple[Validation, ...] = ()
    audit_annotations: tuple[AuditAnnotation, ...] = ()
    failure_policy: str = "Fail"


class ParamRef(_Camel, frozen=True):
    """Which objects are `params`: one by its name, or those that a selector matches."""

    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    parameter_not_found_action: str = "Deny"


class BindingSpec(_Camel, frozen=True):
    """Where a policy applies, and what follows where it is violated: Deny, Warn and Audit."""

    policy_name: str = ""
    param_ref: ParamRef | None = None
    match_resources: MatchResources = MatchResources()
    validation_actions: tuple[str, ...] = ()


class _Metadata(_Camel, frozen=True):
    name: str = ""
    deletion_timestamp: str | None = None


class Policy(_Camel, frozen=True):
    """A ValidatingAdmissionPolicy."""

    metadata: _Metadata = _Metadata()
    spec: PolicySpec = PolicySpec()


class Binding(_Camel, frozen=True):
    """A ValidatingAdmissionPolicyBinding."""

    metadata: _Metadata = _Metadata()
    spec: BindingSpec = BindingSpec()
