"""Which hosts refuse escaped slashes."""

from __future__ import annotations

import pytest

from podwire.edge.ingress.escaped_slashes import BAD_REQUEST, guards
from podwire.edge.ingress.servers import server
from podwire.edge.model.routes import Answer, RedirectTo, Route
from tests.edge.ingress.objects import claim, ingress, path


def guards_of(**notes: str) -> tuple[Route, ...]:
    """Of a host with an open path, and one with these annotations."""
    first, second = ingress("open", path("/")), ingress("other", path("/admin"), tls=(), **notes)
    return tuple(guards(server("app.example.com", (claim(first), claim(second))).locations))


def test_paths_with_the_same_protection_have_no_guard() -> None:
    assert guards_of(proxy_body_size="8m") == ()


@pytest.mark.parametrize("name", ["allowlist_source_range", "auth_type", "auth_url"])
def test_a_path_with_more_protection_than_another_has_guards(name: str) -> None:
    slash, backslash = guards_of(**{name: "basic"})
    assert isinstance(slash.action, RedirectTo)
    assert backslash.action == Answer(BAD_REQUEST)
