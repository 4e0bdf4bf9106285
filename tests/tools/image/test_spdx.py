"""The bill of materials, against what SPDX 2.3 requires of a document."""

import json
import re
from typing import Any

import pytest
from tools.image.licences import LicenceTexts, expression, of_debian
from tools.image.spdx import Component, Subject, document

SUBJECT = Subject("podwire", "1.2.3", "sha256:" + "ab" * 32, "amd64", 1_790_000_000)
PARTS = (
    Component("zlib1g", "1:1.2.13", "cd" * 32, "pkg:deb/debian/zlib1g@1%3A1.2.13?arch=amd64", ("Zlib", "custom words")),
    Component("yarl", "1.25", "ef" * 32, "pkg:pypi/yarl@1.25", expression="Apache-2.0 OR MIT"),
)


@pytest.fixture
def bill() -> Any:
    return json.loads(document(SUBJECT, PARTS))


def test_each_package_has_version_hash_and_licence(bill: Any) -> None:
    packages = {each["name"]: each for each in bill["packages"]}
    assert packages["zlib1g"]["versionInfo"] == "1:1.2.13"
    assert packages["zlib1g"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": "cd" * 32}]
    assert packages["zlib1g"]["licenseDeclared"] == "LicenseRef-custom-words AND Zlib"
    assert packages["yarl"]["licenseDeclared"] == "Apache-2.0 OR MIT"


def test_the_document_is_complete_in_itself(bill: Any) -> None:
    identifiers = [each["SPDXID"] for each in bill["packages"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", each) for each in identifiers)
    known = {*identifiers, bill["SPDXID"]}
    for each in bill["relationships"]:
        assert {each["spdxElementId"], each["relatedSpdxElement"]} <= known
    contained = {each["relatedSpdxElement"] for each in bill["relationships"] if each["relationshipType"] == "CONTAINS"}
    assert len(contained) == len(PARTS)
    declared = " ".join(each["licenseDeclared"] for each in bill["packages"])
    extracted = {each["licenseId"] for each in bill["hasExtractedLicensingInfos"]}
    assert set(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", declared)) == extracted


def test_the_same_image_has_the_same_document_whatever_the_order() -> None:
    assert document(SUBJECT, PARTS) == document(SUBJECT, PARTS[::-1])


def test_debians_copyright_files_are_read() -> None:
    text = "Format: https://x\n\nFiles: *\nLicense: GPL-2+ or Expat\n text\n\nFiles: a\nLicense: Expat\n"
    assert of_debian("x", text) == ("Expat", "GPL-2+")
    assert expression(of_debian("x", text), LicenceTexts()) == "GPL-2.0-or-later AND MIT"
    assert of_debian("libkrb5-3", "This is MIT Kerberos") == ("MIT",)
    assert expression(of_debian("unknown", "words"), LicenceTexts()) == "NOASSERTION"
