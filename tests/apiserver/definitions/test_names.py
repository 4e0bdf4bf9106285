from podwire.apiserver.custom.definition import Names
from podwire.apiserver.definitions.names import Claim, Claims
from podwire.apiserver.kinds.builtin import registry

WIDGETS = Names("widgets", "Widget", "widget", "WidgetList", ("wi",))


def claim(holder: str, names: Names, group: str = "example.com") -> Claim:
    return Claim(holder, group, names)


def conflicts(claims: Claims, wanted: Claim) -> list[tuple[str, str]]:
    return [(conflict.reason, conflict.message) for conflict in claims.conflicts(wanted)]


def test_the_first_claim_has_a_name() -> None:
    claims = Claims()
    claims.put("widgets", claim("widgets", WIDGETS))
    other = Names("wings", "Wing", "wing", "WingList", ("wi",))
    assert conflicts(claims, claim("wings", other)) == [("ShortNamesConflict", '"wi" is already in use')]
    assert conflicts(claims, claim("wings", Names("wings", "Widget"))) == [
        ("KindConflict", '"Widget" is already in use')
    ]
    assert conflicts(claims, claim("wings", Names("wings", "Wing", "widgets"))) == [
        ("SingularConflict", '"widgets" is already in use')
    ]


def test_other_groups_and_oneself_are_no_rivals() -> None:
    claims = Claims()
    claims.put("widgets", claim("widgets", WIDGETS))
    assert conflicts(claims, claim("widgets", WIDGETS)) == []
    assert conflicts(claims, claim("others", WIDGETS, "other.com")) == []


def test_released_names_are_free() -> None:
    claims = Claims()
    claims.put("widgets", claim("widgets", WIDGETS))
    claims.put("widgets", None)
    assert conflicts(claims, claim("others", WIDGETS)) == []


def test_names_of_built_in_kinds_are_taken() -> None:
    claims = Claims(registry().all())
    policies = Names("policies", "NetworkPolicy", "policy", "PolicyList")
    assert conflicts(claims, claim("policies", policies, "networking.k8s.io")) == [
        ("KindConflict", '"NetworkPolicy" is already in use')
    ]
