from podwire.policy.model import Identity, policy
from podwire.policy.selections import Selections
from tests.policy.cluster import network_policy

WEB, DB = Identity("x", (("app", "web"),)), Identity("x", (("app", "db"),))


def test_what_is_kept_follows_each_change_of_a_policy() -> None:
    found = Selections()
    web = policy(network_policy("x/p", "{podSelector: {matchLabels: {app: web}}}"))
    db = policy(network_policy("x/p", "{podSelector: {matchLabels: {app: db}}}"))
    assert found.of(WEB, {"p": web}, keep=True) == {"p"}
    assert found.of(DB, {"p": web}, keep=True) == set()
    found.policy_changed("x", "p", db)
    assert (found.of(WEB, {}, keep=True), found.of(DB, {}, keep=True)) == (set(), {"p"})
    found.policy_changed("y", "p", web)
    found.policy_changed("x", "p", None)
    assert found.of(DB, {"p": db}, keep=True) == set(), "as it was said, not as it is given"


def test_others_are_looked_for_each_time_and_what_is_forgotten_is_not_kept() -> None:
    found = Selections()
    web = policy(network_policy("x/p", "{podSelector: {matchLabels: {app: web}}}"))
    assert found.of(WEB, {"p": web}, keep=False) == {"p"}
    assert found.of(WEB, {}, keep=True) == set()
    found.remove(WEB)
    assert len(found) == 0
    found.remove(DB)
