"""The Ingresses in files, with the lines of their annotations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from podwire.edge.ingress.annotations.settings import read
from podwire.edge.ingress.annotations.table import PREFIXES, TABLE
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.ingress.servers import Claim
from podwire.insight.sources.manifests import Manifest, ManifestError
from podwire.kube.services import Service

INGRESS = ("networking.k8s.io", "Ingress")


class Written(msgspec.Struct, frozen=True):
    """An Ingress with its place, FILE:LINE, and the place of each of its annotations by their whole names."""

    place: str
    claim: Claim
    annotations: Mapping[str, str]

    def place_of(self, *fields: str) -> str:
        """Return the place of the first annotation that sets one of these fields of `Settings`; else the Ingress's."""
        for name, place in self.annotations.items():
            row = TABLE.get(name.removeprefix(next(one for one in PREFIXES if name.startswith(one))))
            if row is not None and row.field in fields:
                return place
        return self.place


def written(manifests: Iterable[Manifest]) -> tuple[Written, ...]:
    """Return the Ingresses among objects. Raises ManifestError where there is none, or one has no such form."""
    found = tuple(_written(one) for one in manifests if one.kind == INGRESS)
    if not found:
        raise ManifestError("there is no Ingress of networking.k8s.io/v1 in these files: name others")
    return found


def services(manifests: Iterable[Manifest]) -> Iterator[Service]:
    """Yield the Services among objects; one that has no such form is left out."""
    for one in manifests:
        if one.kind == ("", "Service"):
            with contextlib.suppress(msgspec.ValidationError):
                yield msgspec.convert(one.value, Service, strict=False)


def _written(manifest: Manifest) -> Written:
    try:
        item = msgspec.convert(manifest.value, Ingress, strict=False)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{manifest.place}: no Ingress: {error}") from None
    if not item.metadata.namespace:
        item = msgspec.structs.replace(item, metadata=msgspec.structs.replace(item.metadata, namespace="default"))
    own = [one for one in item.metadata.annotations if one.startswith(PREFIXES)]
    places = _places(manifest.place, own)
    return Written(manifest.place, Claim(item, read(item.metadata.annotations)), places)


def _places(place: str, names: Iterable[str]) -> dict[str, str]:
    """Return the place of the first line, from that of the object on, that has each name."""
    file, _, first = place.rpartition(":")
    path = Path(file)
    lines = path.read_text().splitlines() if path.is_file() else []
    start = int(first) - 1
    found = {}
    for name in names:
        line = next((number for number in range(start, len(lines)) if name in lines[number]), start)
        found[name] = f"{file}:{line + 1}"
    return found
