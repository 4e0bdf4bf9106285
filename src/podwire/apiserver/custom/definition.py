"""A CustomResourceDefinition as values. Source: k8s.io/apiextensions-apiserver `pkg/apis/apiextensions/v1/types.go`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.documents.discovery import version_priority
from podwire.apiserver.kinds.custom_resource import ScalePaths

if TYPE_CHECKING:
    from podwire.apiserver.storage.revisions import Stored

GROUP = "apiextensions.k8s.io"
KIND = "CustomResourceDefinition"
STORAGE = f"customresourcedefinitions.{GROUP}"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition until the objects of its kind are gone."""


class Names(msgspec.Struct, frozen=True, rename="camel"):
    """The names of a kind."""

    plural: str = ""
    kind: str = ""
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class PrinterColumn(msgspec.Struct, frozen=True, rename="camel"):
    """One of `additionalPrinterColumns`."""

    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


class SelectableField(msgspec.Struct, frozen=True, rename="camel"):
    """A field that field selectors may name."""

    json_path: str


class Subresources(msgspec.Struct, frozen=True, rename="camel"):
    """The subresources of a version."""

    status: dict[str, Any] | None = None
    scale: ScalePaths | None = None


class Validation(msgspec.Struct, frozen=True):
    """The schema of a version, still as JSON: it is large, and read when the first object comes."""

    schema: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="openAPIV3Schema")


class Version(msgspec.Struct, frozen=True, rename="camel"):
    """One version of a kind."""

    name: str
    served: bool = False
    storage: bool = False
    deprecated: bool = False
    deprecation_warning: str = ""
    schema: Validation = Validation()
    subresources: Subresources = Subresources()
    additional_printer_columns: tuple[PrinterColumn, ...] = ()
    selectable_fields: tuple[SelectableField, ...] = ()


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    """`spec` of a definition."""

    group: str = ""
    scope: str = ""
    names: Names = Names()
    versions: tuple[Version, ...] = ()


class Condition(msgspec.Struct, frozen=True):
    """One of `status.conditions`, as far as it matters here."""

    type: str = ""
    status: str = ""


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """`status` of a definition."""

    conditions: tuple[Condition, ...] = ()
    accepted_names: Names = Names()


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """`metadata` of a definition, as far as it matters here."""

    name: str = ""
    generation: int = 0
    deletion_timestamp: str = ""


class Definition(msgspec.Struct, frozen=True):
    """A whole definition."""

    metadata: Metadata = Metadata()
    spec: Spec = Spec()
    status: Status = Status()

    @property
    def established(self) -> bool:
        """Whether the kind is served, under the names in its spec."""
        return self._holds("Established") and self._holds("NamesAccepted")

    @property
    def terminating(self) -> bool:
        """Whether the definition is being deleted: its objects go first, and no new ones are taken."""
        return bool(self.metadata.deletion_timestamp)

    @property
    def storage_version(self) -> str:
        """The version in which objects are stored."""
        return next((version.name for version in self.spec.versions if version.storage), "")

    @property
    def served(self) -> tuple[Version, ...]:
        """The versions that clients can use, the preferred one first."""
        served = (version for version in self.spec.versions if version.served)
        return tuple(sorted(served, key=lambda version: version_priority(version.name), reverse=True))

    def _holds(self, condition: str) -> bool:
        return any(one.type == condition and one.status == "True" for one in self.status.conditions)


def of(stored: Stored) -> Definition:
    """A stored definition. It passed validation, so that it can be read."""
    return msgspec.json.decode(stored.body, type=Definition)


def spec_of(obj: dict[str, Any]) -> Spec:
    """The spec of a definition on its way to the store."""
    return msgspec.json.decode(msgspec.json.encode(obj.get("spec", {})), type=Spec)
