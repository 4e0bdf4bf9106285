from __future__ import annotations

import pytest

from podwire.apiserver.access.impersonation import impersonate
from podwire.apiserver.base.attributes import Attributes, Decision
from podwire.apiserver.base.authentication import User
from podwire.apiserver.base.status import StatusError

EVE = User("eve", ("system:authenticated",))
IN = "system:authenticated"
ACCOUNT = "system:serviceaccount:ns:bot"


class Rights:
    """Allows what is named: `resource/subresource name`."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    def __call__(self, user: User, requested: Attributes) -> Decision:
        assert user == EVE
        assert requested.verb == "impersonate"
        place = f"{requested.namespace}/" if requested.namespace else ""
        return Decision(f"{requested.qualified_resource} {place}{requested.name}" in self.allowed)


def header(name: str, value: str) -> tuple[str, str]:
    return f"impersonate-{name}", value


@pytest.mark.proves("impersonation")
@pytest.mark.parametrize(
    ("headers", "rights", "wanted"),
    [
        ([], [], EVE),
        ([header("user", "bob")], ["users bob"], User("bob", (IN,))),
        (
            [header("user", "bob"), header("group", "a"), header("group", "b")],
            ["users bob", "groups a", "groups b"],
            User("bob", ("a", "b", IN)),
        ),
        ([header("user", "bob"), header("uid", "7")], ["users bob", "uids 7"], User("bob", (IN,), "7")),
        (
            [header("user", "bob"), header("extra-Team%2fName", "x")],
            ["users bob", "userextras/team/name x"],
            User("bob", (IN,), "", (("team/name", ("x",)),)),
        ),
        (
            [header("user", ACCOUNT)],
            ["serviceaccounts ns/bot"],
            User(ACCOUNT, ("system:serviceaccounts", "system:serviceaccounts:ns", IN)),
        ),
        (
            [header("user", "system:anonymous")],
            ["users system:anonymous"],
            User("system:anonymous", ("system:unauthenticated",)),
        ),
    ],
)
def test_every_part_needs_its_right(headers: list[tuple[str, str]], rights: list[str], wanted: User) -> None:
    assert impersonate(EVE, headers, Rights(*rights)) == wanted
    for missing in rights:
        with pytest.raises(StatusError) as caught:
            impersonate(EVE, headers, Rights(*(one for one in rights if one != missing)))
        assert caught.value.code == 403


def test_a_service_account_is_no_plain_user() -> None:
    with pytest.raises(StatusError):
        impersonate(EVE, [header("user", ACCOUNT)], Rights(f"users {ACCOUNT}"))


def test_the_refusal_names_the_right() -> None:
    with pytest.raises(StatusError) as caught:
        impersonate(EVE, [header("user", "bob")], Rights())
    assert caught.value.message == (
        'users "bob" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope'
    )


@pytest.mark.parametrize("name", ["group", "uid", "extra-a", "other"])
def test_other_impersonation_headers_need_a_user(name: str) -> None:
    with pytest.raises(StatusError) as caught:
        impersonate(EVE, [header(name, "system:masters")], Rights(f"{name}s system:masters"))
    assert caught.value.code == 400


def test_an_unknown_header_is_refused() -> None:
    with pytest.raises(StatusError) as caught:
        impersonate(EVE, [header("user", "bob"), header("groups", "a")], Rights("users bob"))
    assert caught.value.code == 400
