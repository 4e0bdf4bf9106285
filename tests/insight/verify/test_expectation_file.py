"""A file of expectations: each connection with its line, and one message for what is wrong."""

import pytest

from podwire.insight.verify import expectation_file
from podwire.insight.verify.expectation_file import ExpectationError
from podwire.insight.verify.expectations import Expectation, schema

TEXT = """files: [.]
expectations:
  - {from: visitors/browser, to: shop/frontend, port: 80, expect: allow}
  - from: [shop/frontend, outside]
    to: shop/database
    port: [postgres, 5433]
    expect: deny
    why: only the backend may
"""


def test_an_entry_with_lists_is_every_connection_of_them() -> None:
    found = expectation_file.parse(TEXT, "shop/reach.yaml")
    assert found.files == ("shop",)
    assert found.nodes == 2
    assert found.can_fail
    assert found.entries[0] == Expectation("visitors/browser", "shop/frontend", 80, "TCP", "allow", "shop/reach.yaml:3")
    assert [one.label for one in found.entries[1:]] == [
        "shop/frontend -> shop/database:postgres",
        "shop/frontend -> shop/database:5433",
        "outside -> shop/database:postgres",
        "outside -> shop/database:5433",
    ]
    assert {one.place for one in found.entries[1:]} == {"shop/reach.yaml:4"}


def test_a_file_without_a_deny_cannot_fail() -> None:
    only = "expectations:\n  - {from: a/b, to: c/d, expect: allow, protocol: UDP}\n"
    found = expectation_file.parse(only, "x.yaml")
    assert not found.can_fail
    assert found.entries[0].label == "a/b -> c/d/UDP"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "x.yaml:2: no YAML"),
        ("", "x.yaml:1: no list 'expectations'"),
        ("- 1", "x.yaml:1: no list 'expectations'"),
        ("expectations: []", "x.yaml:1: the list 'expectations' is empty"),
        (TEXT + "  - 3\n", "x.yaml:9: Expected `object`"),
        (TEXT.replace("80", "70000"), "x.yaml:3: port: Expected `int` <= 65535"),
        (TEXT.replace("5433", "true"), "x.yaml:6: "),
        (TEXT.replace("expect: deny", "expect: forbid"), "x.yaml:7: expect: Invalid enum value 'forbid'"),
        (TEXT.replace("to: shop/database", "too: shop/database"), "x.yaml:4: Object contains unknown field `too`"),
        (TEXT.replace("shop/database", "''"), "x.yaml:4: to is empty"),
        (TEXT.replace("shop/database", "https://x.example/"), "x.yaml:4: to: https://x.example/: the port is part of"),
        (TEXT.replace("shop/database", "ftp://x/"), "x.yaml:4: to: ftp://x/: a URL begins with http://, https://"),
        (TEXT.replace("shop/database", "http://[x/"), "x.yaml:4: to: http://[x/: Invalid IPv6 URL"),
        ("expectations:\n- {from: 'http://x/', to: a, expect: deny}", "x.yaml:2: from: http://x/ is a URL: write who"),
        (TEXT + "node: 3\n", "x.yaml:1: Object contains unknown field `node` (fields are: expectations, files, nodes)"),
        (TEXT + "nodes: 0\n", "x.yaml:1: Expected `int` >= 1"),
    ],
)
def test_what_is_wrong_is_one_message_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ExpectationError) as caught:
        expectation_file.parse(text, "x.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_file_may_be_an_empty_list_for_kubectl() -> None:
    listed = "apiVersion: v1\nkind: List\nitems: []\n" + TEXT
    assert len(expectation_file.parse(listed, "x.yaml").entries) == 5
    with pytest.raises(ExpectationError, match=r"x\.yaml:1: "):
        expectation_file.parse(listed.replace("[]", "[{}]", 1), "x.yaml")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ExpectationError, match=r"no-such\.yaml: no such file"):
        expectation_file.read("no-such.yaml")


def test_the_schema_has_every_field_with_its_description() -> None:
    found = schema()
    entry = found["$defs"]["Entry"]
    assert found["required"] == ["expectations"]
    assert set(entry["properties"]) == {"from", "to", "port", "protocol", "expect", "why"}
    assert all("description" in one for one in (*found["properties"].values(), *entry["properties"].values()))
    assert not entry["additionalProperties"]
