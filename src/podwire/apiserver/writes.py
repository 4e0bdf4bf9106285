"""Creating, changing and deleting objects: everything between a parsed body and the store.

Order of a write: types and unknown fields, metadata, defaults, strategy, admission, validation, store.
Source: k8s.io/apiserver `pkg/registry/generic/registry/store.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.apiserver import conversion, defaults, deletion, metadata, status, strategy, validation
from podwire.apiserver.admission import Write
from podwire.apiserver.bodies import without_nulls
from podwire.apiserver.revisions import Key, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from podwire.apiserver.admission import Admission
    from podwire.apiserver.authentication import User
    from podwire.apiserver.causes import Cause
    from podwire.apiserver.deletion import DeleteOptions
    from podwire.apiserver.resources import Registry, Resource
    from podwire.apiserver.store import Store
    from podwire.apiserver.transaction import Transaction

    Change = Callable[["Object"], "Object"]
    """From the stored object (the caller's own copy) to the wanted one."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Parameters of a write. `field_validation` is Strict, Warn or Ignore; no `user` is the server itself."""

    dry_run: bool = False
    field_validation: str = "Warn"
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What an update may change of an object, and the rules that it is held to.

    `narrow` makes, of the wanted and the stored object, the one to store; `check` tells what is wrong with it.
    """

    narrow: Callable[[Resource, Object, Object], Object]
    check: Callable[[Resource, Object, Object], list[Cause]]


@dataclass(frozen=True, slots=True)
class Written:
    """What stands after a write, and what the client should hear. `gone`: the write ended a deletion."""

    stored: Stored
    warnings: tuple[str, ...] = ()
    gone: bool = False


class Writer:
    """All writes to one store."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        admission: Sequence[Admission] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._registry = registry
        self._store = store
        self._admission = tuple(admission)
        self._clock = clock

    async def create(self, resource: Resource, namespace: str, body: Object, options: WriteOptions) -> Written:
        """Store a new object; raises StatusError 400, 403, 404, 409 or 422."""
        metadata.check_type(resource, body)
        warnings = check_fields(resource, body, options.field_validation)
        kind, obj = self._stored_form(resource, body)
        metadata.place(kind, obj, namespace)
        metadata.complete_new(kind, obj, self._clock())

        def work(transaction: Transaction) -> Stored:
            key = _free_key(transaction, kind, obj)
            defaults.apply(kind, obj)
            strategy.before_create(kind, obj)
            self._admit(Write(kind, obj, None, transaction, options.user))
            _refuse(kind, obj, validation.validate(kind, obj))
            return transaction.put(key, obj)

        return Written(await self._store.transact(work, dry_run=options.dry_run), warnings)

    async def update(
        self, resource: Resource, key: Key, change: Change, options: WriteOptions, part: Part | None = None
    ) -> Written:
        """Change an object; raises StatusError 400, 404, 409 or 422. The change is computed on what stands then."""
        touched = part or WHOLE

        def work(transaction: Transaction) -> Written:
            current = transaction.get(key)
            if current is None:
                raise status.not_found(resource, key.name)
            old = current.object()
            body = change(conversion.from_storage(resource, current.object()))
            metadata.check_type(resource, body)
            warnings = check_fields(resource, body, options.field_validation)
            kind, obj = self._stored_form(resource, body)
            metadata.place(kind, obj, key.namespace, key.name)
            metadata.check_unchanged(kind, obj, old)
            write = Write(kind, touched.narrow(kind, obj, old), old, transaction, options.user)
            stored, gone = self._replace(write, old, key, touched)
            return Written(stored, warnings, gone)

        return await self._store.transact(work, dry_run=options.dry_run)

    async def delete(self, resource: Resource, key: Key, options: DeleteOptions) -> Written:
        """Delete an object, or mark it; raises StatusError 400, 403, 404 or 409."""

        def work(transaction: Transaction) -> Written:
            current = transaction.get(key)
            if current is None:
                raise status.not_found(resource, key.name)
            outcome = deletion.delete(resource, current.object(), options, self._clock())
            if outcome.gone:
                return Written(transaction.remove(key, outcome.obj), gone=True)
            return Written(transaction.put(key, outcome.obj))

        return await self._store.transact(work, dry_run=options.dry_run)

    def _replace(self, write: Write, old: Object, key: Key, part: Part) -> tuple[Stored, bool]:
        """Put the successor of a stored object, or end it when it was only waiting for its last finalizer."""
        resource, obj = write.resource, write.obj
        metadata.carry_over(resource, obj, old)
        defaults.apply(resource, obj)
        strategy.before_update(resource, obj, old)
        self._admit(write)
        _refuse(resource, obj, part.check(resource, obj, old))
        metadata.count_generation(resource, obj, old)
        if deletion.complete(obj):
            return write.transaction.remove(key, obj), True
        return write.transaction.put(key, obj), False

    def _admit(self, write: Write) -> None:
        for admit in self._admission:
            admit(write)

    def _stored_form(self, resource: Resource, body: Object) -> tuple[Resource, Object]:
        """An object as it is stored, and the resource whose rules hold: for kinds of users the one that was asked."""
        if resource.custom is not None:
            pruned, _ = resource.custom.pruned(body)
            return resource, resource.custom.to_storage(pruned)
        stored = conversion.to_storage(resource, without_nulls(body))
        return self._registry.by_kind(stored["apiVersion"], stored["kind"]) or resource, stored


def check_fields(resource: Resource, body: Object, field_validation: str) -> tuple[str, ...]:
    """Check names and types of a body's fields; the warnings for the client. Raises StatusError 400."""
    if problem := validation.mistyped(resource, body):
        raise status.bad_request(problem)
    if field_validation == "Ignore":
        return ()
    unknown = validation.unknown_fields(resource, body)
    if unknown and field_validation == "Strict":
        raise status.bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {', '.join(unknown)}"
        )
    return tuple(unknown)


def _free_key(transaction: Transaction, resource: Resource, obj: Object) -> Key:
    """The key of a new object; a generated name is tried until one is free. Raises StatusError 409 or 422."""
    own = obj["metadata"]
    prefix = "" if own.get("name") else own["generateName"]
    for _ in range(metadata.GENERATE_TRIES if prefix else 1):
        if prefix:
            own["name"] = metadata.generated_name(prefix)
        metadata.check_name(resource, own["name"])
        key = Key(resource.storage, own.get("namespace", ""), own["name"])
        if transaction.get(key) is None:
            return key
    raise status.already_exists(resource, own["name"])


def _refuse(resource: Resource, obj: Object, problems: Sequence[Cause]) -> None:
    if problems:
        raise status.invalid(resource, obj["metadata"]["name"], problems)


def _without_status(resource: Resource, obj: Object, old: Object) -> Object:
    """A write on the main path does not touch the status of a kind that has a subresource for it."""
    if "status" in resource.subresources:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
    return obj


def _only_status(_: Resource, obj: Object, old: Object) -> Object:
    changed = {**old, "metadata": dict(old["metadata"])}
    changed.pop("status", None)
    return {**changed, "status": obj["status"]} if "status" in obj else changed


def _only_finalizers(_: Resource, obj: Object, old: Object) -> Object:
    """A namespace has finalizers in its spec, which only the subresource `/finalize` writes."""
    spec = {key: value for key, value in (old.get("spec") or {}).items() if key != "finalizers"}
    wanted = (obj.get("spec") or {}).get("finalizers")
    return {**old, "metadata": dict(old["metadata"]), "spec": {**spec, "finalizers": wanted} if wanted else spec}


WHOLE = Part(_without_status, validation.validate)
STATUS = Part(_only_status, validation.validate_status)
FINALIZERS = Part(_only_finalizers, validation.validate)
BINDING = Part(lambda _, obj, __: obj, lambda resource, obj, _: validation.validate(resource, obj))
"""Binding is the request that may set what an update may not change: it is checked as a new object."""
