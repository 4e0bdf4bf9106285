"""What the API server serves: kinds, their names, verbs and subresources, and the registry that finds them.

Source: the discovery documents of kube-apiserver 1.37; k8s.io/apimachinery `meta/v1` APIResource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from podwire.apiserver.kinds.custom_resource import CustomResource
    from podwire.apiserver.kinds.layout import Layout
    from podwire.apiserver.kinds.schema import Schema

COUNTED_KINDS = frozenset(
    {
        "CronJob",
        "CustomResourceDefinition",
        "DaemonSet",
        "Deployment",
        "EndpointSlice",
        "Ingress",
        "IngressClass",
        "Job",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "PodTemplate",
        "PriorityClass",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
    }
)
"""Built-in kinds with a generation (k8s.io/kubernetes `pkg/registry/*/strategy.go`); others have none to observe."""

VERSIONED_KINDS = frozenset({"CustomResourceDefinition", "Lease", "PodDisruptionBudget"})
"""Built-in kinds whose updates must name a resourceVersion (k8s.io/kubernetes `pkg/registry/*/strategy.go`)."""

STANDARD_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Subresource(msgspec.Struct, frozen=True):
    """A part of an object with a path and a kind of its own, such as `pods/eviction` (policy/v1 Eviction)."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`, as the apiVersion of a body."""
        return api_version(self.group, self.version)


class Resource(msgspec.Struct, frozen=True):
    """One kind as one version serves it.

    `storage` names the store's table: versions and groups that serve the same objects share it, with `conversion`
    between them (as events.k8s.io/v1 shares core v1's). `custom` is the behaviour of a kind of a user;
    built-in kinds have schemas in package data and tables in `columns/`. `patch_strategic` is false for kinds of users:
    they have no strategic merge patch.
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    list_kind: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS
    subresources: Mapping[str, Subresource] = msgspec.field(default_factory=dict)
    storage: str = ""
    patch_strategic: bool = True
    custom: CustomResource | None = None
    deprecation: str = ""

    @property
    def counts_generations(self) -> bool:
        """Whether its objects have a `metadata.generation`: those of all kinds of users, and of some built-in."""
        return self.custom is not None or self.kind in COUNTED_KINDS

    @property
    def names_versions(self) -> bool:
        """Whether an update needs a resourceVersion (the opposite of upstream's AllowUnconditionalUpdate)."""
        return self.custom is not None or self.kind in VERSIONED_KINDS

    @property
    def warning(self) -> str:
        """The text of the Warning header of every request on it; empty for what is not deprecated."""
        return self.deprecation if self.custom is None else self.custom.warning

    @property
    def schema(self) -> Schema | None:
        """The schema of a kind of a user."""
        return None if self.custom is None else self.custom.schema

    @property
    def layout(self) -> Layout | None:
        """The columns of a kind of a user."""
        return None if self.custom is None else self.custom.layout

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`."""
        return api_version(self.group, self.version)

    @property
    def group_version(self) -> str:
        """The group-version's path without the leading slash: `api/v1` or `apis/apps/v1`."""
        return f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"

    @property
    def qualified_plural(self) -> str:
        """`pods` or `deployments.apps`, as messages name a resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Pod` or `Deployment.apps`, as messages name a kind."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


class Registry:
    """All served resources. Kinds can come and go at run time; `generation` grows with each change."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self.generation = 0
        for resource in resources:
            self.add(resource)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource behind a path, None where nothing is served."""
        return self._by_path.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a body's apiVersion and kind."""
        return self._by_kind.get((api_version, kind))

    def all(self) -> Iterator[Resource]:
        """Every resource, in the order in which they came."""
        return iter(tuple(self._by_path.values()))

    def group_versions(self) -> dict[str, tuple[Resource, ...]]:
        """The resources of each `api/v1` or `apis/group/version`, groups in the order in which they came."""
        grouped: dict[str, list[Resource]] = {}
        for resource in self._by_path.values():
            grouped.setdefault(resource.group_version, []).append(resource)
        return {path: tuple(resources) for path, resources in grouped.items()}

    def add(self, resource: Resource) -> None:
        """Serve a resource from now on; one with the same path is replaced."""
        self.remove(resource.group, resource.version, resource.plural)
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.api_version, resource.kind] = resource
        self.generation += 1

    def remove(self, group: str, version: str, plural: str) -> None:
        """Serve a resource no longer; nothing happens where it was not served."""
        resource = self._by_path.pop((group, version, plural), None)
        if resource is not None:
            self._by_kind.pop((resource.api_version, resource.kind), None)
            self.generation += 1


def api_version(group: str, version: str) -> str:
    """`v1` for the core group, `group/version` for the others."""
    return f"{group}/{version}" if group else version
