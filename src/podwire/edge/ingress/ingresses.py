"""The Ingresses of this controller in memory, with the reverse indexes that lead from a change to hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.gateway.index import Index
from podwire.edge.ingress.annotations.settings import read
from podwire.edge.ingress.annotations.templates import service_of
from podwire.edge.ingress.kinds import Ingress, IngressBackend, IngressClass
from podwire.edge.ingress.options.reading import ReadOptions
from podwire.edge.ingress.servers import Claim
from podwire.kube.meta import NamespacedName

Need = tuple[str, NamespacedName]
"""Kind and name of an object that an Ingress refers to."""


class Ingresses:
    """A look-up is a dictionary access; a change costs what it affects.

    `controllers` are the names in classes that are this controller's; `without_class`: an Ingress that names no class
    is its too.
    """

    def __init__(self, controllers: Iterable[str], *, without_class: bool = False) -> None:
        self._controllers = frozenset(controllers)
        self._without_class = without_class
        self.options = ReadOptions()
        self._classes: dict[str, IngressClass] = {}
        self._items: dict[NamespacedName, Ingress] = {}
        self._claims: dict[NamespacedName, Claim] = {}
        self._hosts: Index[str, NamespacedName] = Index()
        self._needs: Index[Need, NamespacedName] = Index()
        self._of_class: Index[str, NamespacedName] = Index()

    def configure(self, options: ReadOptions) -> frozenset[str]:
        """Take the options of all Ingresses; return the hosts that are different now: all of them."""
        if options == self.options:
            return frozenset()
        self.options = options
        for key in tuple(self._items):
            self._derive(key)
        return self.hosts

    @property
    def claims(self) -> dict[NamespacedName, Claim]:
        """The Ingresses that are served: a view that changes."""
        return self._claims

    @property
    def hosts(self) -> frozenset[str]:
        """All hosts that have an Ingress."""
        return frozenset(self._hosts.needed)

    def of_host(self, host: str) -> tuple[Claim, ...]:
        """Return the Ingresses that have a share in a host, by name."""
        return tuple(self._claims[key] for key in sorted(self._hosts.owners(host)))

    def put(self, item: Ingress) -> frozenset[str]:
        """Add or replace an Ingress; return the hosts that are different now."""
        self._items[item.key] = item
        self._of_class.replace(item.key, (item.class_name,))
        return self._derive(item.key)

    def remove(self, key: NamespacedName) -> frozenset[str]:
        """Remove an Ingress; return the hosts that are different now."""
        self._items.pop(key, None)
        self._of_class.replace(key, ())
        return self._derive(key)

    def put_class(self, item: IngressClass) -> frozenset[str]:
        """Add or replace a class; return the hosts that are different now."""
        self._classes[item.metadata.name] = item
        return self._derive_class(item.metadata.name)

    def remove_class(self, name: str) -> frozenset[str]:
        """Remove a class; return the hosts that are different now."""
        self._classes.pop(name, None)
        return self._derive_class(name)

    def hosts_that_need(self, kind: str, key: NamespacedName) -> frozenset[str]:
        """Return the hosts of the Ingresses that refer to an object."""
        common = self.options.options.global_auth_url
        if kind == "Service" and common is not None and service_of(common) == key:
            return self.hosts
        return frozenset(host for one in self._needs.owners((kind, key)) for host in self._claims[one].hosts)

    def referenced(self, kind: str) -> frozenset[NamespacedName]:
        """Return the names of the objects of a kind that Ingresses refer to, whether they exist or not."""
        return frozenset(key for found, key in self._needs.needed if found == kind)

    def is_ours(self, item: Ingress) -> bool:
        """Whether the class of the Ingress is one of this controller's."""
        if not item.class_name:
            return self._without_class
        found = self._classes.get(item.class_name)
        return found is not None and found.spec.controller in self._controllers

    def _derive_class(self, name: str) -> frozenset[str]:
        changed: set[str] = set()
        for key in tuple(self._of_class.owners(name)):
            changed |= self._derive(key)
        return frozenset(changed)

    def _claim(self, item: Ingress) -> Claim:
        options = self.options
        found = read(item.metadata.annotations, options.defaults, options.options.annotation_value_word_blocklist)
        return Claim(item, msgspec.structs.replace(found, denied=options.denied or found.denied))

    def _derive(self, key: NamespacedName) -> frozenset[str]:
        old, item = self._claims.pop(key, None), self._items.get(key)
        new = self._claim(item) if item is not None and self.is_ours(item) else None
        if new is not None:
            self._claims[key] = new
        self._hosts.replace(key, new.hosts if new else ())
        self._needs.replace(key, _needs(new) if new else ())
        if old is not None and new is not None and _is_alike(old, new):
            return frozenset()
        return frozenset((*(old.hosts if old else ()), *(new.hosts if new else ())))


def _is_alike(old: Claim, new: Claim) -> bool:
    """Whether only the status or what is not read of the metadata differs."""
    return (old.item.spec, old.read, old.age) == (new.item.spec, new.read, new.age)


def _needs(claim: Claim) -> Iterator[Need]:
    item, settings = claim.item, claim.settings
    namespace = item.metadata.namespace
    secrets = (settings.auth_secret, settings.auth_tls_secret, settings.proxy_ssl_secret)
    config_maps = (settings.custom_headers, settings.auth_proxy_set_headers)
    for kind, names in (("Secret", secrets), ("ConfigMap", config_maps), ("Service", (settings.default_backend,))):
        for named in names:
            if named is not None and named.namespace in {"", namespace}:
                yield kind, NamespacedName(namespace, named.name)
    for url in (settings.auth_url, settings.mirror_target):
        if url is not None and (key := service_of(url)) is not None:
            yield "Service", key
    for tls in item.spec.tls:
        if tls.secret_name:
            yield "Secret", NamespacedName(namespace, tls.secret_name)
    for backend in _backends(item):
        if backend.service is not None:
            yield "Service", NamespacedName(namespace, backend.service.name)


def _backends(item: Ingress) -> Iterator[IngressBackend]:
    if item.spec.default_backend is not None:
        yield item.spec.default_backend
    for rule in item.spec.rules:
        yield from (path.backend for path in (rule.http.paths if rule.http else ()))
