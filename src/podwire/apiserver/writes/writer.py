"""Create, update and delete objects: everything between a parsed body and the store.

Order of a write: types and unknown fields, metadata, defaults, strategy, admission, validation, store.
Source: k8s.io/apiserver `pkg/registry/generic/registry/store.go`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from podwire.apiserver import defaults, validation
from podwire.apiserver.apply.merge import Author
from podwire.apiserver.apply.ownership import Ownership
from podwire.apiserver.apply.shapes import SchemaShapes
from podwire.apiserver.base import status
from podwire.apiserver.bodies.reader import without_nulls
from podwire.apiserver.kinds import conversion
from podwire.apiserver.storage.revisions import Key, Stored
from podwire.apiserver.writes import deletion, metadata, strategy, warnings
from podwire.apiserver.writes.admission import Write
from podwire.apiserver.writes.decoding import check_form, decode_error
from podwire.apiserver.writes.omitempty import drop_empty
from podwire.apiserver.writes.parts import STATUS, WHOLE, configured
from podwire.kube import gateway_api
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.kinds.resources import Registry, Resource
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.storage.transaction import Transaction
    from podwire.apiserver.writes.admission import Admission, Judge, Removal
    from podwire.apiserver.writes.deletion import DeleteOptions
    from podwire.apiserver.writes.options import WriteOptions
    from podwire.apiserver.writes.parts import Part

    Change = Callable[["Object"], "Object"]
    """From the stored object (a copy of the caller's own) to the desired one."""

    Track = Callable[["Object"], list["Object"]]
    """From an object with its defaults to the items of its `managedFields`. What the server adds later has no owner."""

Object = dict[str, Any]


class Written(msgspec.Struct, frozen=True, gc=False):
    """The result of a write: the stored object and the warnings for the client.

    `gone`: the write ended a deletion; `created`: an apply made the object.
    """

    stored: Stored
    warnings: tuple[str, ...] = ()
    gone: bool = False
    created: bool = False


class Writer:
    """All writes to one store."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        admission: Sequence[Admission] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        removal: Removal = lambda *_: None,
        judge: Judge = lambda *_: (),
    ) -> None:
        self._registry = registry
        self._store = store
        self._admission = tuple(admission)
        self._clock = clock
        self._removal = removal
        self._judge = judge
        self._ownership = Ownership(SchemaShapes())

    async def create(self, resource: Resource, namespace: str, body: Object, options: WriteOptions) -> Written:
        """Store a new object; raises StatusError 400, 403, 404, 409 or 422."""
        metadata.check_type(resource, body)
        claims = body["metadata"].pop("managedFields", None)
        form = check_form(resource, body, options)
        complete = form.complete and not conversion.is_converted(resource)
        kind, obj = self._stored_form(resource, body, complete=complete)
        metadata.place(kind, obj, namespace)
        author = self._author(kind, options)
        metadata.complete_new(kind, obj, self._clock())

        def work(transaction: Transaction) -> Written:
            write = Write(kind, obj, None, transaction, options.user, dry_run=options.dry_run)
            written = self._insert(
                write, lambda made: self._ownership.created(kind, made, claims, author), complete=complete
            )
            return replace(written, warnings=(*form.warnings, *written.warnings))

        return await self._store.transact(work, dry_run=options.dry_run)

    async def update(
        self, resource: Resource, key: Key, change: Change, options: WriteOptions, part: Part | None = None
    ) -> Written:
        """Change an object as it is when the write runs; raises StatusError 400, 404, 409 or 422."""
        touched = part or WHOLE

        def work(transaction: Transaction) -> Written:
            current = transaction.get(key)
            if current is None:
                raise status.not_found(resource, key.name)
            old, held = _apart(current)
            body = change(conversion.from_storage(resource, current.object()))
            metadata.check_type(resource, body)
            claims = body["metadata"].pop("managedFields", None)
            form = check_form(resource, body, options)
            kind, obj = self._stored_form(resource, body)
            metadata.place(kind, obj, key.namespace, key.name)
            metadata.check_unchanged(kind, obj, old)
            author = self._author(kind, options)
            write = _update(kind, touched.narrow(kind, obj, old), old, transaction, options)

            def track(done: Object) -> list[Object]:
                return self._ownership.updated(kind, (old, done), held, claims, author)

            written = self._replace(write, (old, key), touched, track)
            return replace(written, warnings=(*form.warnings, *written.warnings))

        return await self._store.transact(work, dry_run=options.dry_run)

    async def apply(
        self,
        resource: Resource,
        key: Key,
        config: Object,
        options: WriteOptions,
        may_create: Callable[[], None] | None = None,
        part: Part | None = None,
    ) -> Written:
        """Merge a configuration into an object (server-side apply); raises StatusError 400, 403, 404, 409 or 422.

        Where there is none it is made, after `may_create` did not raise; without `may_create` it must be there.
        """
        self._check_configuration(resource, config)
        sent = check_form(resource, config, options).warnings
        kind, desired = self._stored_form(resource, config)
        metadata.place(kind, desired, key.namespace, key.name)
        desired, author = configured(kind, desired, options.subresource), self._author(kind, options)
        touched = part or WHOLE

        def merge(live: Object, held: list[Object]) -> tuple[Object, list[Object]]:
            return self._ownership.applied(kind, (live, desired), held, author, force=options.force)

        def work(transaction: Transaction) -> Written:
            current = transaction.get(key)
            if current is None:
                if may_create is None:
                    raise status.not_found(resource, key.name)
                may_create()
                metadata.check_made_by_apply(kind, desired)
                metadata.complete_new(kind, desired, self._clock())
                obj, entries = merge({}, [])
                write = Write(kind, obj, None, transaction, options.user, dry_run=options.dry_run)
                made = self._insert(write, lambda _: entries)
                return replace(made, warnings=(*sent, *made.warnings), created=True)
            old, _ = _apart(current)
            obj, entries = merge(*_apart(current))
            metadata.check_unchanged(kind, obj, old)
            write = _update(kind, touched.narrow(kind, obj, old), old, transaction, options)
            written = self._replace(write, (old, key), touched, lambda _: entries)
            return replace(written, warnings=(*sent, *written.warnings))

        return await self._store.transact(work, dry_run=options.dry_run)

    async def delete(self, resource: Resource, key: Key, options: DeleteOptions) -> Written:
        """Delete an object, or mark it; raises StatusError 400, 403, 404 or 409."""

        def work(transaction: Transaction) -> Written:
            current = transaction.get(key)
            if current is None:
                raise status.not_found(resource, key.name)
            outcome = deletion.delete(resource, current.object(), options, self._clock())
            held = current.object()
            judged = Write(resource, held, held, transaction, options.user, "", options.dry_run)
            found = (*deletion.warnings(resource, options), *self._judge(judged, "DELETE"))
            if outcome.gone:
                self._removal(transaction, resource, outcome.obj)
                return Written(transaction.remove(key, outcome.obj), found, gone=True)
            return Written(transaction.put(key, outcome.obj), found)

        return await self._store.transact(work, dry_run=options.dry_run)

    async def admit_connection(self, resource: Resource, key: Key, options: Object, by: WriteOptions) -> None:
        """Judge a request that connects, such as exec, by its options; raises StatusError 401, 403, 413 or 422."""

        def work(transaction: Transaction) -> None:
            write = Write(resource, options, None, transaction, by.user, by.subresource, connected=key)
            self._judge(write, "CONNECT")

        await self._store.transact(work, dry_run=True)

    def _insert(self, write: Write, track: Track, *, complete: bool = False) -> Written:
        """Put a new object; `complete`: its body had all that its schema requires."""
        resource, obj = write.resource, write.obj
        key = _free_key(write.transaction, resource, obj)
        defaults.apply(resource, obj)
        entries = track(obj)
        strategy.before_create(resource, obj)
        self._admit(write)
        _refuse(resource, obj, validation.validate(resource, obj, complete=complete))
        judged = self._judge(write, "CREATE")
        _keep_entries(obj, entries)
        return Written(write.transaction.put(key, obj), (*self._warnings(write, None), *judged))

    def _replace(self, write: Write, current: tuple[Object, Key], part: Part, track: Track) -> Written:
        """Put the successor of a stored object, or remove it when it waited only for its last finalizer."""
        resource, obj, (old, key) = write.resource, write.obj, current
        metadata.carry_over(resource, obj, old)
        defaults.apply(resource, obj)
        entries = track(obj)
        strategy.before_update(resource, obj, old)
        self._admit(write)
        _refuse(resource, obj, part.check(resource, obj, old))
        judged = self._judge(write, "UPDATE")
        _keep_entries(obj, entries)
        if part.counts:
            metadata.count_generation(resource, obj, old)
        if deletion.complete(obj):
            self._removal(write.transaction, resource, obj)
            return Written(write.transaction.remove(key, obj), gone=True)
        found = self._warnings(write, old) if part is WHOLE else ()
        if part is STATUS:
            found = warnings.of_status(resource, obj)
        return Written(write.transaction.put(key, obj), (*found, *judged))

    def _warnings(self, write: Write, old: Object | None) -> tuple[str, ...]:
        if write.resource.group != gateway_api.GROUP:
            return warnings.of_write(write.resource, write.obj, old)
        from podwire.apiserver.writes import gateway_warnings  # most clusters have no Gateway
        from podwire.apiserver.writes.gateway_warnings.existing import Existing

        return gateway_warnings.of_write(write.obj, old, Existing(self._store, write.transaction))

    def _author(self, resource: Resource, options: WriteOptions) -> Author:
        now = timestamp(self._clock())
        return Author(options.author, resource.api_version, now, options.subresource)

    def _check_configuration(self, resource: Resource, config: Object) -> None:
        """Raise StatusError 400 for what cannot be applied."""
        metadata.check_type(resource, config)
        if config["metadata"].get("managedFields") is not None:
            raise status.bad_request("metadata.managedFields must be nil")
        self._ownership.check(resource, config)

    def _admit(self, write: Write) -> None:
        for admit in self._admission:
            admit(write)

    def _stored_form(self, resource: Resource, body: Object, *, complete: bool = False) -> tuple[Resource, Object]:
        """An object as it is stored, and the resource whose rules apply: for kinds of users the one of the request.

        A body that is known to be complete has neither nulls nor empty maps and lists in it.
        Raises StatusError 400 where it came in another form, and does not fit the one that is stored.
        """
        if resource.custom is not None:
            pruned, _ = resource.custom.pruned(body)
            return resource, resource.custom.to_storage(pruned)
        stored = conversion.to_storage(resource, body if complete else without_nulls(body))
        kind = self._registry.by_kind(stored["apiVersion"], stored["kind"]) or resource
        if conversion.is_converted(resource) and (problem := validation.mistyped(kind, stored)):
            raise decode_error(kind, stored, problem, None)
        if not complete:
            drop_empty(kind, stored)
        return kind, stored


def _update(resource: Resource, obj: Object, old: Object, transaction: Transaction, options: WriteOptions) -> Write:
    return Write(resource, obj, old, transaction, options.user, options.subresource, options.dry_run)


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


def _apart(current: Stored) -> tuple[Object, list[Object]]:
    """A stored object without its `managedFields`, and their items."""
    obj = current.object()
    return obj, obj["metadata"].pop("managedFields", [])


def _keep_entries(obj: Object, entries: list[Object]) -> None:
    if entries:
        obj["metadata"]["managedFields"] = entries


def _refuse(resource: Resource, obj: Object, problems: Sequence[Cause]) -> None:
    if problems:
        raise status.invalid(resource, obj["metadata"]["name"], problems)
