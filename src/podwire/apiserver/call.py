"""One request on a resource, with what can be read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.apply.options import author_name, check_options, is_apply
from podwire.apiserver.base import status
from podwire.apiserver.base.requests import Response
from podwire.apiserver.bodies.duplicates import duplicate_fields
from podwire.apiserver.bodies.reader import is_json, read_json, read_object, read_yaml
from podwire.apiserver.patches import patches
from podwire.apiserver.reads.reader import requested_view
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes import delete_options
from podwire.apiserver.writes.options import SentPatch, WriteOptions

if TYPE_CHECKING:
    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.base.routes import Route
    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.writes.deletion import DeleteOptions
    from podwire.apiserver.writes.writer import Change, Written

Object = dict[str, Any]


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request, the resource and the object that it means, and its verb."""

    request: Request
    resource: Resource
    route: Route
    verb: str

    @property
    def key(self) -> Key:
        """Where the object is stored."""
        return Key(self.resource.storage, self.route.namespace, self.route.name)

    def body(self) -> Object:
        """The object of the body; raises StatusError 400, 413 or 415."""
        return read_object(self.request.body, self.request.headers.get("content-type", ""))

    def change(self) -> Change:
        """What a PUT or PATCH makes of the stored object; raises StatusError 400, 413 or 415."""
        if self.verb == "patch":
            return patches.change(self.resource, self.request.body, self.request.headers.get("content-type", ""))
        body = self.body()
        self._check_place(body)
        return lambda _: body

    def _check_place(self, body: Object) -> None:
        """Raise StatusError 400 where the body names another object than the path, whether or not that exists."""
        metadata = body.get("metadata")
        if not isinstance(metadata, dict):
            return
        name, namespace = metadata.get("name") or self.route.name, metadata.get("namespace")
        if isinstance(name, str) and name != self.route.name:
            raise status.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({self.route.name})"
            )
        if self.route.namespace and isinstance(namespace, str) and namespace and namespace != self.route.namespace:
            raise status.bad_request(
                f"the namespace of the object ({namespace}) does not match the namespace on the request"
                f" ({self.route.namespace})"
            )

    @property
    def applies(self) -> bool:
        """Whether it is a server-side apply."""
        return is_apply(self.request)

    def configuration(self) -> Object:
        """The configuration of a server-side apply, in YAML or JSON; raises StatusError 400 or 413."""
        body = self.request.body
        config = read_json(body) if is_json(body) else read_yaml(body)
        if not isinstance(config, dict):
            raise status.bad_request("error decoding patch: a configuration is an object with apiVersion and kind")
        return config

    def write_options(self, body: Object | None = None) -> WriteOptions:
        """Parameters of a write, and of its `body` where that was read already; raises StatusError 400 or 422."""
        check_options(self.request)
        validation = self.request.parameter("fieldValidation") or "Warn"
        content_type = self.request.headers.get("content-type", "")
        return WriteOptions(
            dry_run="dryRun" in self.request.query,
            field_validation=validation,
            user=self.request.user,
            author=author_name(self.request),
            subresource=self.route.subresource,
            force=self.request.flag("force"),
            duplicates=() if validation == "Ignore" else duplicate_fields(self.request.body, content_type, body),
            patch=SentPatch(self.request.body, content_type) if self.verb == "patch" and not self.applies else None,
        )

    def delete_options(self, body: Any = None) -> DeleteOptions:
        """Options of a DELETE, from `body` or the request's own body, and its query; raises StatusError 400 or 422."""
        if body is None:
            body = self.body() if self.request.body else {}
        return delete_options.read(body, self.request)

    def written(self, written: Written, code: int = 200) -> Response:
        """The answer to a write: the stored object, in the form that the client accepts."""
        shown = requested_view(self.request, self.resource)
        return Response(shown.one(written.stored), code, warnings=written.warnings)
