"""The image's bill of materials: each Debian and Python package with version, hash and licence, as SPDX 2.3 JSON.

Source: spdx.github.io/spdx-spec/v2.3; package URLs: github.com/package-url/purl-spec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tools.image.licences import LicenceTexts, expression

DOCUMENT = "SPDXRef-DOCUMENT"


class Component(msgspec.Struct, frozen=True):
    """Something that the image has in it.

    `licences` are names as its author wrote them; `expression` is one of SPDX, where the author wrote that.
    """

    name: str
    version: str
    sha256: str
    url: str
    licences: tuple[str, ...] = ()
    expression: str = ""
    supplier: str = "NOASSERTION"

    @property
    def identifier(self) -> str:
        """Of its kind and name: unique in the document."""
        kind = self.url.removeprefix("pkg:").partition("/")[0]
        return "SPDXRef-" + re.sub("[^A-Za-z0-9.-]", "-", f"{kind}-{self.name}")


class Subject(msgspec.Struct, frozen=True):
    """The image itself."""

    name: str
    version: str
    digest: str
    architecture: str
    time: int


def document(subject: Subject, components: Sequence[Component]) -> bytes:
    """The document; the same bytes for the same image."""
    texts = LicenceTexts()
    image = _package(
        Component(subject.name, subject.version, subject.digest.partition(":")[2], _image_url(subject)), texts
    )
    packages = [image, *(_package(each, texts) for each in sorted(components, key=lambda each: each.identifier))]
    created = datetime.fromtimestamp(subject.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": f"{subject.name}-{subject.version}-{subject.architecture}",
        "documentNamespace": f"urn:podwire:image:{subject.digest}",
        "creationInfo": {"created": created, "creators": ["Tool: podwire-tools.image"]},
        "packages": packages,
        "relationships": list(_relationships(image["SPDXID"], components)),
        "hasExtractedLicensingInfos": texts.extracted(),
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def _package(component: Component, texts: LicenceTexts) -> dict[str, Any]:
    return {
        "SPDXID": component.identifier,
        "name": component.name,
        "versionInfo": component.version,
        "supplier": component.supplier,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": component.sha256}],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": component.expression or expression(component.licences, texts),
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": component.url}
        ],
    }


def _image_url(subject: Subject) -> str:
    return f"pkg:oci/{subject.name}@{subject.digest.replace(':', '%3A')}?arch={subject.architecture}"


def _relationships(image: str, components: Iterable[Component]) -> Iterable[dict[str, str]]:
    yield {"spdxElementId": DOCUMENT, "relationshipType": "DESCRIBES", "relatedSpdxElement": image}
    for each in sorted(components, key=lambda each: each.identifier):
        yield {"spdxElementId": image, "relationshipType": "CONTAINS", "relatedSpdxElement": each.identifier}
