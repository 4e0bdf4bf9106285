"""How values fall apart into fields that can have owners: what structured-merge-diff calls a schema.

    GRANULAR   an object whose fields have owners of their own
    ITEMS      a list whose items have: identified by key fields, or by their values
    LEAF       one owner for the whole: plain values, atomic objects and lists, lists without a marker

Source: kubernetes.io "Server-Side Apply", merge strategy (markers x-kubernetes-list-type, -list-map-keys, -map-type).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from podwire.apiserver.apply import fields
from podwire.apiserver.kinds import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.kinds.schema import Schema

KEY_DEFAULTS: dict[tuple[str, ...], dict[str, Any]] = {
    ("containerPort", "protocol"): {"protocol": "TCP"},
    ("port", "protocol"): {"protocol": "TCP"},
}
"""Values of key fields that a client may leave out, by the keys of the list.

The packed schemas have no `default`; those of kinds of users do. Source: `+default="TCP"` of ContainerPort and
ServicePort in k8s.io/api `core/v1/types.go`; no other list of the built-in kinds has a key field with a default.
"""


class NoKeyError(ValueError):
    """An item of a list has no distinct key; the text has the reason, in upstream's wording."""


class Form(Enum):
    """What a value is made of."""

    LEAF = "leaf"
    GRANULAR = "granular"
    ITEMS = "items"


class Shape:
    """The form of one value, and the shapes of what is in it, which are made when first needed.

    `names` are declared fields: that one is there at all has no owner, only what is in it; of others it has.
    `whole`: a write that makes the value becomes the owner of its being there (not so for Go's structs).
    `keys` and `key_defaults` identify items of a list; without keys their value does.
    """

    __slots__ = ("_declare", "_inner", "_known", "form", "key_defaults", "keys", "names", "whole")

    def __init__(
        self,
        form: Form,
        declare: Callable[[str], Shape | None],
        *,
        names: Mapping[str, Any] | None = None,
        whole: bool = True,
        keys: tuple[str, ...] = (),
        key_defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.form = form
        self.names = names or {}
        self.whole = whole
        self.keys = keys
        self.key_defaults = key_defaults or {}
        self._declare = declare
        self._known: dict[str, Shape | None] = {}

    def field(self, name: str) -> Shape | None:
        """The shape of a field; None where there is no such field."""
        if name not in self._known:
            self._known[name] = self._declare(name)
        return self._known[name]

    def inside(self, name: str) -> Shape:
        """The shape of a field; of one that is not declared, the shape of anything."""
        return self._known.get(name) or self.field(name) or ANYTHING

    @property
    def item(self) -> Shape:
        """The shape of a list's items."""
        return self.inside("")

    def key(self, item: Any) -> str:
        """The key of a list's item; raises NoKeyError where it has none."""
        if not self.keys:
            if isinstance(item, dict | list):
                raise NoKeyError("associative list without keys has an element that's a map or list type")
            return fields.value_key(item)
        if not isinstance(item, dict):
            raise NoKeyError("associative list with keys may not have non-map elements")
        given = {name: item[name] for name in self.keys if item.get(name) is not None}
        key = {**self.key_defaults, **given} if self.key_defaults else given
        if not key:
            why = f'has an element that omits key field "{self.keys[0]}" (and doesn\'t have default value)'
            raise NoKeyError(f"associative list with keys {why}")
        return fields.item_key(key)


def _anything(_: str) -> Shape:
    return ANYTHING


ANYTHING = Shape(Form.GRANULAR, _anything)
"""Without a schema: objects are granular, lists are atomic."""

LEAF = Shape(Form.LEAF, lambda _: None)


class Shapes(Protocol):
    """Knows the shape of each kind's objects."""

    def __call__(self, resource: Resource) -> Shape:
        """The shape of a kind's objects."""
        ...


class SchemaShapes:
    """Shapes by the schemas of kinds: the published one of built-in kinds, their own of kinds of a user."""

    def __init__(self) -> None:
        self._definitions: dict[str, Shape] = {}
        self._of_users: dict[str, tuple[Schema, Shape]] = {}

    def __call__(self, resource: Resource) -> Shape:
        """The shape of a kind's objects."""
        if resource.schema is not None:
            return self._of_user(resource.group_version + resource.kind, resource.schema)
        return self._named(schema.definition_name(resource.api_version, resource.kind))

    def _of_user(self, name: str, declared: Schema) -> Shape:
        kept = self._of_users.get(name)
        if kept is None or kept[0] is not declared:
            kept = self._of_users[name] = declared, self.of_schema(declared)
        return kept[1]

    def of_schema(self, declared: Schema) -> Shape:
        """The shape of a value of a kind of a user."""
        return self._shape(declared, whole=True)

    def _named(self, name: str) -> Shape:
        found = self._definitions.get(name)
        if found is None:
            found = self._definitions[name] = self._shape(schema.definition(name), whole=False)
        return found

    def _shape(self, declared: Schema, *, whole: bool) -> Shape:
        """The shape of a declared value. A marker beside a reference counts more than one in what it refers to."""
        if declared.ref and not declared.map_type:
            return self._named(declared.ref)
        found = schema.resolve(declared)
        if found.type == "array":
            return self._list(found, whole=whole)
        if found.one_of or found.type not in {"", "object"} or (declared.map_type or found.map_type) == "atomic":
            return LEAF
        return ANYTHING if found.any_object else self._object(found, whole=whole)

    def _object(self, found: Schema, *, whole: bool) -> Shape:
        def declare(name: str) -> Shape | None:
            declared = found.properties.get(name, found.additional)
            return None if declared is None else self._shape(declared, whole=whole)

        return Shape(Form.GRANULAR, declare, names=found.properties, whole=whole or not found.properties)

    def _list(self, found: Schema, *, whole: bool) -> Shape:
        items = found.items
        if found.list_type not in {"map", "set"} or items is None:
            return LEAF
        keys = found.list_map_keys if found.list_type == "map" else ()
        defaults = _key_defaults(items, keys) if whole else KEY_DEFAULTS.get(tuple(sorted(keys)))
        return Shape(Form.ITEMS, lambda _: self._shape(items, whole=whole), keys=keys, key_defaults=defaults)


def _key_defaults(items: Schema, keys: tuple[str, ...]) -> dict[str, Any]:
    """The defaults of key fields, as the schema of a list's items has them."""
    declared = {key: items.properties[key].default for key in keys if key in items.properties}
    return {key: default for key, default in declared.items() if default is not None}
