"""The grammar of Corefiles: blocks, quotation, comments, imports; every error has its line."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.dns.corefile.grammar import parse
from podwire.dns.corefile.tokens import CorefileError, tokens

WHOLE = """\
# a comment
(common) {
    errors
    cache 30
}
.:53 example.org, example.net {
    import common
    hosts {   # after a word
        10.0.0.1 "quoted \\"name" b
    }
    log
}
"""


def test_blocks_have_keys_directives_arguments_and_lines() -> None:
    (block,) = parse(WHOLE)
    assert [key.text for key in block.keys] == [".:53", "example.org", "example.net"]
    assert [one.name.text for one in block.directives] == ["errors", "cache", "hosts", "log"]
    cache, hosts = block.directives[1], block.directives[2]
    assert [word.text for word in cache.arguments] == ["30"]
    assert [word.text for word in hosts.lines[0].arguments] == ['quoted "name', "b"]
    assert (cache.name.line, hosts.lines[0].name.line) == (4, 9)


def test_files_and_variables_are_put_in_place() -> None:
    files = {"Corefile": "", "custom.override": "log", "stub.server": "stub.test {\nforward . {$UP}\n}"}
    blocks = parse(". {\nimport /etc/coredns/*.override\n}\nimport *.server\n", files, {"UP": "192.0.2.1"})
    assert [one.name.text for one in blocks[0].directives] == ["log"]
    assert [word.text for word in blocks[1].directives[0].arguments] == [".", "192.0.2.1"]
    assert parse(". {\nimport custom/*.override\n}") != (), "no such file of a pattern is no error"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (". {\n  log", "line 1: .: the server block is not closed"),
        (". {\n  hosts {\n  1.1.1.1 a\n", "line 2: hosts: the block is not closed"),
        (".\n", "line 1: .: a server block must have a body"),
        ("\n}", "line 2: '}' is not expected"),
        (". {\n{\n}", "line 2: a block must follow the name"),
        ('. {\nlog "a\n}', "line 2: a quotation mark is not closed"),
        (". {\nimport none\n}", "line 2: import none: is neither"),
        ("(a) {\nimport a\n}\n. {\nimport a\n}", "they import each other"),
        (". {\nlog a {\nb {\n}\n}\n}", "line 3: log: a plugin's block has no blocks inside"),
    ],
)
def test_errors_name_the_line_and_the_remedy(text: str, error: str) -> None:
    with pytest.raises(CorefileError) as caught:
        parse(text)
    assert error in str(caught.value)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(CorefileError, match="at most"):
        tokens(" a" * 60_000 * 2, {})
    with pytest.raises(CorefileError, match="at most"):
        tokens("a" * (1 << 20) + "b", {})


@given(st.text(alphabet='.{}"#\\ \nab:/(),$', max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(CorefileError):
        parse(text, {"a": text})
