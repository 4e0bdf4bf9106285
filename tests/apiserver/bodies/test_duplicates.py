import time

import pytest

from podwire.apiserver.bodies.duplicates import duplicate_fields
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import MAPS, MERGE, config_map

JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"a":1,"b":{"a":2}}', ()),
        (b'{"a": 1, "a" : 2}', ('duplicate field "a"',)),
        (b'{"a":1,"a":1,"a":1}', ('duplicate field "a"',)),
        (b'{"l":[{"c":1},{"c":1,"c":3}]}', ('duplicate field "l[1].c"',)),
        (b'{"t":"\\"a\\": 1, \\"a\\": 2"}', ()),
        (b'{"t":"\\"a\\":","x":{"a":1,"a":2}}', ('duplicate field "x.a"',)),
    ],
)
def test_fields_of_json_that_stand_twice(body: bytes, told: tuple[str, ...]) -> None:
    assert duplicate_fields(body, JSON) == told


def test_fields_of_yaml_that_stand_twice() -> None:
    body = b"a: 1\nb: &b\n  c: 1\n  c: 2\nd: *b\na: 2\n"
    assert set(duplicate_fields(body, "application/yaml")) == {
        'line 4: key "c" already set in map',
        'line 6: key "a" already set in map',
    }


def test_a_configuration_in_json_is_read_as_such() -> None:
    """As YAML it would take the time of a million nodes: the limits of YAML do not hold for JSON."""
    body, apply = b'{"a":1,"a":2,"l":[' + b"0," * 1_000_000 + b"0]}", "application/apply-patch+yaml"
    began = time.process_time()
    assert duplicate_fields(body, apply) == ('duplicate field "a"',)
    assert duplicate_fields(b"a: 1\na: 2\n", apply) == ('line 2: key "a" already set in map',)
    assert time.process_time() - began < 5


def test_protobuf_has_no_names_that_could() -> None:
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
async def test_patches_are_held_to_the_same(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    strict = f"{MAPS}/a?fieldValidation=Strict"
    code, _, message = await talk.refused("PATCH", strict, b'{"data":{"y":"1","y":"2"}}', content_type=MERGE)
    assert (code, 'duplicate field "data.y"' in message) == (422, True)
    twice = b"apiVersion: v1\nkind: ConfigMap\ndata:\n  y: '1'\n  y: '2'\n"
    where = f"{strict}&fieldManager=me"
    code, _, message = await talk.refused("PATCH", where, twice, content_type="application/apply-patch+yaml")
    assert (code, 'key "y" already set in map' in message) == (400, True)
