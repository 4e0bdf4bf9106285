import json
import time

import pytest

from podwire.apiserver.bodies.duplicates import duplicate_fields, with_unknown
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import MAPS, MERGE, config_map

JSON = "application/json"


def messages(body: bytes, content_type: str) -> list[str]:
    return [entry.message for entry in duplicate_fields(body, content_type)]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"a":1,"b":{"a":2}}', ()),
        (b'{"a": 1, "a" : 2}', ("a",)),
        (b'{"a":1,"a":1,"a":1}', ("a",)),
        (b'{"l":[{"c":1},{"c":1,"c":3}]}', ("l[1].c",)),
        (b'{"a":{"c":1},"a":{"c":1}}', ("a",)),
        (b'{"t":"\\"a\\": 1, \\"a\\": 2"}', ()),
        (b'{"t":"\\"a\\":","x":{"a":1,"a":2}}', ("x.a",)),
    ],
)
def test_fields_that_occur_twice_in_json(body: bytes, paths: tuple[str, ...]) -> None:
    assert messages(body, JSON) == [f'duplicate field "{path}"' for path in paths]


@pytest.mark.parametrize(
    ("body", "order"),
    [
        (b'{"s":{"u":1,"a":1,"a":2,"v":1}}', ["unknown s.u", "duplicate s.a", "unknown s.v"]),
        (b'{"s":{"a":1,"a":2,"u":{"x":1},"v":1}}', ["duplicate s.a", "unknown s.u", "unknown s.v"]),
        (b'{"s":{"a":1,"u":1,"v":1,"a":2}}', ["unknown s.u", "unknown s.v", "duplicate s.a"]),
    ],
)
def test_duplicate_and_unknown_fields_are_named_in_the_order_of_the_body(body: bytes, order: list[str]) -> None:
    unknown = ['unknown field "s.u"', 'unknown field "s.v"']
    named = with_unknown(duplicate_fields(body, JSON), unknown, json.loads(body))
    assert [text.replace("field ", "").replace('"', "") for text in named] == order


def test_fields_that_occur_twice_in_yaml() -> None:
    body = b"a: 1\nb: &b\n  c: 1\n  c: 2\nd: *b\na: 2\n"
    assert set(messages(body, "application/yaml")) == {
        'line 4: key "c" already set in map',
        'line 6: key "a" already set in map',
    }


def test_a_configuration_in_json_is_read_as_such() -> None:
    """As YAML it would take the time of a million nodes: the limits of YAML do not hold for JSON."""
    body, apply = b'{"a":1,"a":2,"l":[' + b"0," * 1_000_000 + b"0]}", "application/apply-patch+yaml"
    began = time.process_time()
    assert messages(body, apply) == ['duplicate field "a"']
    assert messages(b"a: 1\na: 2\n", apply) == ['line 2: key "a" already set in map']
    assert time.process_time() - began < 5


def test_protobuf_has_no_duplicate_names() -> None:
    assert duplicate_fields(b"k8s\0", "application/vnd.kubernetes.protobuf") == ()


@pytest.mark.proves("field-validation")
async def test_all_that_is_wrong_with_the_fields_is_named(talk: Talk) -> None:
    body = b'{"metadata":{"name":"a"},"data":{"x":"1","x":"2"},"dat":{}}'
    code, _, message = await talk.refused("POST", f"{MAPS}?fieldValidation=Strict", body)
    assert code == 400
    assert message.endswith('strict decoding error: duplicate field "data.x", unknown field "dat"')
    warned = await talk.answer("POST", MAPS, body)
    assert getattr(warned, "warnings", ()) == ('duplicate field "data.x"', 'unknown field "dat"')
    ignored = await talk.answer("PUT", f"{MAPS}/a?fieldValidation=Ignore", body)
    assert getattr(ignored, "warnings", None) == ()


@pytest.mark.proves("field-validation")
async def test_patches_are_checked_too(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    strict = f"{MAPS}/a?fieldValidation=Strict"
    code, _, message = await talk.refused("PATCH", strict, b'{"data":{"y":"1","y":"2"}}', content_type=MERGE)
    assert (code, 'duplicate field "data.y"' in message) == (422, True)
    twice = b"apiVersion: v1\nkind: ConfigMap\ndata:\n  y: '1'\n  y: '2'\n"
    where = f"{strict}&fieldManager=me"
    code, _, message = await talk.refused("PATCH", where, twice, content_type="application/apply-patch+yaml")
    assert (code, 'key "y" already set in map' in message) == (400, True)
