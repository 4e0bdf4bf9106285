"""Messages as protobuf's own library reads them, by the fields of workload.proto."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from podwire.mesh.identity.certificate import Leaf, TrustBundle
from podwire.mesh.identity.spiffe import parse
from podwire.mesh.node import workload_messages
from podwire.pki import authorities

TEXT, BYTES, MESSAGE = 9, 12, 11
OPTIONAL, REPEATED = 1, 3
NOW = datetime.now(UTC)
ROOT = authorities.create_root("cluster.local", NOW, timedelta(days=2))
SIGNER = authorities.create_intermediate(ROOT, "cluster.local", NOW, timedelta(days=2))
FRONT = "spiffe://cluster.local/ns/shop/sa/front"


def message(name: str) -> Any:
    """Return the class of a message of workload.proto."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    svid = file.message_type.add(name="X509SVID")
    for number, (field, kind) in enumerate(
        (("spiffe_id", TEXT), ("x509_svid", BYTES), ("x509_svid_key", BYTES), ("bundle", BYTES), ("hint", TEXT)), 1
    ):
        svid.field.add(name=field, number=number, type=kind, label=OPTIONAL)
    response = file.message_type.add(name="X509SVIDResponse")
    response.field.add(name="svids", number=1, type=MESSAGE, label=REPEATED, type_name=".X509SVID")
    response.field.add(name="crl", number=2, type=BYTES, label=REPEATED)
    bundles = file.message_type.add(name="X509BundlesResponse")
    bundles.field.add(name="crl", number=1, type=BYTES, label=REPEATED)
    entry = bundles.nested_type.add(name="BundlesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=TEXT, label=OPTIONAL)
    entry.field.add(name="value", number=2, type=BYTES, label=OPTIONAL)
    bundles.field.add(
        name="bundles", number=2, type=MESSAGE, label=REPEATED, type_name=".X509BundlesResponse.BundlesEntry"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def leaf() -> Leaf:
    key, request = authorities.request(FRONT)
    chain = authorities.sign(SIGNER, authorities.requested_key(request), FRONT, (NOW, NOW + timedelta(days=1)))
    found = authorities.described(chain)
    text = (chain + SIGNER.certificate).decode()
    return Leaf(parse(FRONT), text, key.decode(), found.serial, found.not_before, found.not_after)


def test_an_identity_is_what_go_spiffe_and_spiffe_helper_read() -> None:
    one = leaf()
    revocations = authorities.revocation_list(SIGNER, {5: NOW}, NOW).decode()
    found = message("X509SVIDResponse").FromString(
        workload_messages.x509_svids(one, TrustBundle(ROOT.certificate.decode(), revocations))
    )
    (svid,) = found.svids
    assert svid.spiffe_id == FRONT
    first = x509.load_der_x509_certificate(svid.x509_svid[: _length(svid.x509_svid)])
    assert first.serial_number == one.serial
    second = x509.load_der_x509_certificate(svid.x509_svid[_length(svid.x509_svid) :])
    assert second == x509.load_pem_x509_certificate(SIGNER.certificate)
    assert load_der_private_key(svid.x509_svid_key, None).public_key() == first.public_key()
    assert x509.load_der_x509_certificate(svid.bundle) == x509.load_pem_x509_certificate(ROOT.certificate)
    (listed,) = found.crl
    assert [item.serial_number for item in x509.load_der_x509_crl(listed)] == [5]


def test_bundles_are_by_trust_domain() -> None:
    two = ROOT.certificate + authorities.create_root("cluster.local", NOW, timedelta(days=1)).certificate
    found = message("X509BundlesResponse").FromString(
        workload_messages.x509_bundles("cluster.local", TrustBundle(two.decode()))
    )
    assert list(found.bundles) == ["spiffe://cluster.local"]
    content = found.bundles["spiffe://cluster.local"]
    second = x509.load_der_x509_certificate(content[_length(content) :])
    assert second == x509.load_pem_x509_certificates(two)[1]
    assert list(found.crl) == []


def _length(der: bytes) -> int:
    """Return the length of the first value."""
    assert der[1] == 0x82
    return 4 + int.from_bytes(der[2:4], "big")
