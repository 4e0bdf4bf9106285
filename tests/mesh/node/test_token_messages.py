"""Messages about tokens as protobuf's own library writes and reads them, by the fields of workload.proto."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from podwire.mesh.node import token_messages
from podwire.mesh.node.token_messages import MessageError, SvidRequest, ValidateRequest

TEXT, BYTES, MESSAGE = 9, 12, 11
OPTIONAL, REPEATED = 1, 3
FRONT = "spiffe://cluster.local/ns/shop/sa/front"


def message(name: str) -> Any:
    """Return the class of a message of workload.proto."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    file.dependency.append("google/protobuf/struct.proto")
    one = file.message_type.add(name="JWTSVIDRequest")
    one.field.add(name="audience", number=1, type=TEXT, label=REPEATED)
    one.field.add(name="spiffe_id", number=2, type=TEXT, label=OPTIONAL)
    one = file.message_type.add(name="JWTSVID")
    for number, field in enumerate(("spiffe_id", "svid", "hint"), 1):
        one.field.add(name=field, number=number, type=TEXT, label=OPTIONAL)
    one = file.message_type.add(name="JWTSVIDResponse")
    one.field.add(name="svids", number=1, type=MESSAGE, label=REPEATED, type_name=".JWTSVID")
    one = file.message_type.add(name="ValidateJWTSVIDRequest")
    one.field.add(name="audience", number=1, type=TEXT, label=OPTIONAL)
    one.field.add(name="svid", number=2, type=TEXT, label=OPTIONAL)
    one = file.message_type.add(name="ValidateJWTSVIDResponse")
    one.field.add(name="spiffe_id", number=1, type=TEXT, label=OPTIONAL)
    one.field.add(name="claims", number=2, type=MESSAGE, label=OPTIONAL, type_name=".google.protobuf.Struct")
    one = file.message_type.add(name="JWTBundlesResponse")
    entry = one.nested_type.add(name="BundlesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=TEXT, label=OPTIONAL)
    entry.field.add(name="value", number=2, type=BYTES, label=OPTIONAL)
    one.field.add(name="bundles", number=1, type=MESSAGE, label=REPEATED, type_name=".JWTBundlesResponse.BundlesEntry")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def test_requests_are_read() -> None:
    body = message("JWTSVIDRequest")(audience=["db", "wéb"], spiffe_id=FRONT).SerializeToString()
    assert token_messages.svid_request(body) == SvidRequest(("db", "wéb"), FRONT)
    assert token_messages.svid_request(b"") == SvidRequest()
    body = message("ValidateJWTSVIDRequest")(audience="db", svid="a" * 300).SerializeToString()
    assert token_messages.validate_request(body) == ValidateRequest("db", "a" * 300)


def test_fields_of_later_versions_are_passed_over() -> None:
    known = message("JWTSVIDRequest")(audience=["db"]).SerializeToString()
    others = b"\x18\xff\x01" + b"\x21" + bytes(8) + b"\x2d" + bytes(4) + b"\x32\x01a"
    assert token_messages.svid_request(others + known) == SvidRequest(("db",))


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\x05ab", b"\x0a\x01\xff", b"\x0b", b"\xff" * 11, b"\x21\x00"])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        token_messages.svid_request(body)


def test_responses_are_what_go_spiffe_reads() -> None:
    (svid,) = message("JWTSVIDResponse").FromString(token_messages.svids(FRONT, "token")).svids
    assert (svid.spiffe_id, svid.svid) == (FRONT, "token")
    found = message("JWTBundlesResponse").FromString(token_messages.bundles("cluster.local", '{"keys":[]}'))
    assert dict(found.bundles) == {"spiffe://cluster.local": b'{"keys":[]}'}
    claims = {"sub": FRONT, "aud": ["db"], "exp": 1e9, "more": {"a": None, "b": True}}
    answer = message("ValidateJWTSVIDResponse").FromString(token_messages.validated(FRONT, claims))
    assert answer.spiffe_id == FRONT
    assert answer.claims["aud"][0] == "db"
    assert answer.claims["exp"] == 1e9
    assert answer.claims["more"]["b"] is True
