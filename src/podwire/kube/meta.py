"""The metadata of every Kubernetes object: names, labels, owners, versions.

Source: k8s.io/apimachinery `meta/v1`. Only the fields that podwire reads are named; a Struct ignores the others.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec


class Struct(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """A Kubernetes value: immutable, JSON names in camelCase, absent and default alike.

    It comes from JSON, so it is in no cycle: the garbage collector need not visit hundreds of thousands of endpoints.
    """


class OwnerReference(Struct, frozen=True):
    """An owner of the object: the garbage collector deletes the object with it."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Struct, frozen=True):
    """`metadata` of any object. Times are RFC 3339 text as the server wrote them."""

    name: str = ""
    namespace: str = ""
    generate_name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


class LabelSelectorRequirement(Struct, frozen=True):
    """One line of `matchExpressions`. Operators: In, NotIn, Exists, DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Struct, frozen=True):
    """A selector; empty selects everything. Absent (`None` where it is used) is not the same as empty."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class Condition(Struct, frozen=True):
    """One entry of `status.conditions`. Status is "True", "False" or "Unknown".

    Nothing is required inside a status: servers do not validate it, and an object that cannot be decoded is skipped.
    """

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    observed_generation: int | None = None


class NamespacedName(msgspec.Struct, frozen=True, order=True, gc=False):
    """The name of an object among all of its kind; namespace is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Object(Struct, frozen=True):
    """The part that all kinds share."""

    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> NamespacedName:
        """Namespace and name."""
        return NamespacedName(self.metadata.namespace, self.metadata.name)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as metav1.Time is written (strftime takes three times as long)."""
    return f"{moment.astimezone(UTC).isoformat()[:19]}Z"
