"""The names of a served resource, as refusals and metadata rules need them."""

from __future__ import annotations

from typing import Protocol


class ResourceNames(Protocol):
    """The names of one resource; `kinds.resources.Resource` implements it."""

    @property
    def group(self) -> str:
        """API group; empty for the core group."""

    @property
    def kind(self) -> str:
        """Kind, such as `Pod`."""

    @property
    def plural(self) -> str:
        """Plural name, such as `pods`."""

    @property
    def qualified_plural(self) -> str:
        """`pods` or `deployments.apps`."""

    @property
    def qualified_kind(self) -> str:
        """`Pod` or `Deployment.apps`."""

    @property
    def namespaced(self) -> bool:
        """Whether its objects are in a namespace."""
