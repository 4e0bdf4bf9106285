"""The hosts of all Ingresses: their paths, merged from the Ingresses that name them, the oldest first. Pure.

Source: kubernetes/ingress-nginx v1.15.1 `controller.go`, getBackendServers and mergeAlternativeBackends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.ingress.annotations.expression import expression
from podwire.edge.ingress.annotations.grammar import InvalidValueError
from podwire.edge.ingress.annotations.settings import Read, Settings
from podwire.edge.ingress.kinds import HTTPIngressPath, Ingress
from podwire.edge.ingress.locations import Canary, Location, ordered
from podwire.kube.meta import NamespacedName

ANY_HOST = "*"


class Claim(msgspec.Struct, frozen=True):
    """An Ingress of this controller with its annotations read."""

    item: Ingress
    read: Read

    @property
    def age(self) -> tuple[str, NamespacedName]:
        """Sort key: the oldest first, then by name."""
        return self.item.metadata.creation_timestamp or "", self.item.key

    @property
    def settings(self) -> Settings:
        """What its annotations ask for."""
        return self.read.settings

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it has a share in; `*` is any host that no Ingress names."""
        found = dict.fromkeys(rule.host.lower() or ANY_HOST for rule in self.item.spec.rules)
        if self.item.spec.default_backend is not None and not self.item.spec.rules:
            found[ANY_HOST] = None
        return tuple(found)


class Refused(msgspec.Struct, frozen=True):
    """A path that has no effect: reason and message of an event of its Ingress."""

    ingress: NamespacedName
    reason: str
    message: str


class Verification(msgspec.Struct, frozen=True):
    """Certificates of clients are requested: by the oldest Ingress of the host that has a Secret for it."""

    ingress: NamespacedName
    settings: Settings


class Server(msgspec.Struct, frozen=True):
    """A host with its paths in the order in which they are tried.

    Attributes:
        by_expression: whether all paths are expressions.
        client: how certificates of clients are verified; None: none is requested.
        denied: why all paths answer 503; empty: they do not.

    """

    host: str
    locations: tuple[Location, ...] = ()
    by_expression: bool = False
    refused: tuple[Refused, ...] = ()
    client: Verification | None = None
    denied: str = ""


def server(host: str, claims: Iterable[Claim]) -> Server:
    """Return the server of a host from the Ingresses that have a share in it. Older Ingresses win."""
    claims = sorted(claims, key=lambda one: one.age)
    refused: list[Refused] = []
    found: dict[tuple[str, str], Location] = {}
    for claim in (one for one in claims if not one.settings.canary):
        for location in _locations(host, claim):
            key = (location.path, location.path_type)
            if key in found:
                refused.append(_duplicate(host, location, found[key]))
            else:
                found[key] = location
    for claim in (one for one in claims if one.settings.canary):
        refused += _add_canaries(host, claim, found)
    by_expression = any(one.has_expression for one in found.values())
    if by_expression:
        refused += _drop_invalid(found)
    _add_default(claims, found)
    client = verification(claims)
    refused += _other_verifications(host, claims, client)
    denied = next((one.read.denied for one in claims if one.read.denies_host), "")
    locations = ordered(found.values(), by_expression=by_expression)
    return Server(host, locations, by_expression, tuple(refused), client, denied)


def verification(claims: Iterable[Claim]) -> Verification | None:
    """Return how certificates of the clients of a host are verified; the claims are the oldest first."""
    for claim in claims:
        settings = claim.settings
        if settings.auth_tls_secret is not None and settings.auth_tls_verify_client != "off" and not settings.canary:
            return Verification(claim.item.key, settings)
    return None


def _other_verifications(host: str, claims: Iterable[Claim], client: Verification | None) -> Iterator[Refused]:
    for claim in claims:
        if client is not None and claim.settings.auth_tls_secret is not None and claim.item.key != client.ingress:
            message = f"host {host}: auth-tls-secret of Ingress {client.ingress}, which is older, is for all its paths"
            yield Refused(claim.item.key, "ClientCertificateConflict", message)


def _locations(host: str, claim: Claim) -> Iterator[Location]:
    for number, rule in enumerate(claim.item.spec.rules):
        if (rule.host.lower() or ANY_HOST) != host or rule.http is None:
            continue
        for index, path in enumerate(rule.http.paths):
            yield _location(claim, path, number, index)


def _location(claim: Claim, path: HTTPIngressPath, rule: int, index: int) -> Location:
    return Location(
        ingress=claim.item.key,
        path=path.path or "/",
        path_type=path.path_type,
        backend=path.backend,
        settings=claim.settings,
        rule=rule,
        index=index,
        denied=claim.read.denied,
    )


def _add_default(claims: Iterable[Claim], found: dict[tuple[str, str], Location]) -> None:
    """The oldest default backend of the host's Ingresses gets what no path matches."""
    if any(one.path == "/" and one.path_type != "Exact" for one in found.values()):
        return
    for claim in claims:
        backend = claim.item.spec.default_backend
        if backend is not None and not claim.settings.canary:
            found["/", "Default"] = Location(
                claim.item.key, "/", "Prefix", backend, claim.settings, denied=claim.read.denied
            )
            return


def _add_canaries(host: str, claim: Claim, found: dict[tuple[str, str], Location]) -> Iterator[Refused]:
    for location in _locations(host, claim):
        key = (location.path, location.path_type)
        main = found.get(key)
        where = f"host {host}, path {location.path}"
        if main is None:
            yield Refused(
                location.ingress,
                "CanaryWithoutMain",
                f"{where}: no other Ingress has this host, path and pathType: create it, or correct the canary's path",
            )
        elif main.ingress.namespace != location.ingress.namespace:
            message = f"{where}: Ingress {main.ingress} is in another namespace: create the canary there"
            yield Refused(location.ingress, "CanaryOfAnotherNamespace", message)
        elif main.canary is not None:
            message = f"{where}: Ingress {main.canary.ingress} is the canary already: remove one of them"
            yield Refused(location.ingress, "SecondCanary", message)
        else:
            canary = Canary(location.ingress, location.backend, claim.settings)
            found[key] = msgspec.structs.replace(main, canary=canary)


def _drop_invalid(found: dict[tuple[str, str], Location]) -> Iterator[Refused]:
    """One path that is no expression would be refused by a proxy with the whole host."""
    for key, location in tuple(found.items()):
        try:
            expression(location.path)
        except InvalidValueError as error:
            del found[key]
            message = f"path {location.path}: {error}; other paths of the host are not affected"
            yield Refused(location.ingress, "InvalidPath", message)


def _duplicate(host: str, location: Location, winner: Location) -> Refused:
    where = f"host {host}, path {location.path}, pathType {location.path_type}"
    message = f"{where}: Ingress {winner.ingress}, which is older, has it: remove one of them"
    return Refused(location.ingress, "DuplicatePath", message)
