"""Requests as users write them."""

from __future__ import annotations

import pytest

from podwire.insight.url.question import QuestionError, question


def test_defaults_follow_the_scheme() -> None:
    plain, secure = question("app.example.com"), question("https://App.Example.com.:8443/a/../b?x=1&y")
    assert (plain.scheme, plain.port, plain.server_name, plain.request.path) == ("http", 80, "", "/")
    assert (secure.port, secure.server_name, secure.request.host) == (8443, "app.example.com", "app.example.com")
    assert (secure.request.path, secure.raw_path, secure.query) == ("/b", "/a/../b", "x=1&y")


def test_a_host_header_replaces_the_host_of_the_request_but_not_the_server_name() -> None:
    found = question("https://a.org/", headers=["Host: B.org:443", "X-A: 1: 2"])
    assert (found.server_name, found.request.host) == ("a.org", "b.org")
    assert [(one.name, one.value) for one in found.request.headers] == [("X-A", "1: 2")]


def test_an_address_sends_no_server_name() -> None:
    assert question("https://[2001:db8::1]/").server_name == question("https://192.0.2.1/").server_name == ""


@pytest.mark.parametrize(
    ("url", "client", "header", "named"),
    [
        ("ftp://a.org/", "outside", "A: b", "URL ftp://a.org/"),
        ("http:///x", "outside", "A: b", "URL http:///x"),
        ("http://a.org:99999/", "outside", "A: b", "URL http://a.org:99999/"),
        ("http://a.org/", "inside", "A: b", "--from inside"),
        ("http://a.org/", "outside", "A", "--header A"),
    ],
)
def test_wrong_arguments_are_named(url: str, client: str, header: str, named: str) -> None:
    with pytest.raises(QuestionError, match=named):
        question(url, client, "GET", [header])
