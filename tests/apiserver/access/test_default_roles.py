from __future__ import annotations

from datetime import UTC, datetime

import pytest

from podwire.apiserver.access import bootstrap_policy
from podwire.apiserver.access.filters import Authorizer
from podwire.apiserver.access.rbac import Rbac
from podwire.apiserver.base.attributes import Attributes
from podwire.apiserver.base.authentication import User
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.storage.store import Store
from podwire.component import permissions
from tests.apiserver.access.things import RBAC, binding, role, rule, user
from tests.apiserver.conftest import Talk

IN = "system:authenticated"
AGENT = User("podwire:agent:node-1", ("podwire:agents", IN))
DNS = User("podwire:dns", (IN,))
CONTROLLERS = User("system:kube-controller-manager", (IN,))
NODE = User("system:node:node-1", ("system:nodes", IN))
BOT = User("system:serviceaccount:a:bot", ("system:serviceaccounts", "system:serviceaccounts:a", IN))
SOMEONE = User("someone", (IN,))
NOBODY = User("system:anonymous", ("system:unauthenticated",))
ADMIN = User("root", ("system:masters", IN))


@pytest.fixture
async def authorize() -> Authorizer:
    store = Store(":memory:")
    more = permissions.objects(permissions.CERTIFICATE_SUBJECTS)
    await bootstrap_policy.ensure(store, registry(), datetime.now(UTC), more)
    return Authorizer(Rbac.of(store), store)


def on(verb: str, resource: str, group: str = "", name: str = "", namespace: str = "a") -> Attributes:
    plural, _, part = resource.partition("/")
    return Attributes(verb, group, "v1", plural, part, namespace, name)


@pytest.mark.parametrize(
    ("who", "requested", "allowed"),
    [
        (ADMIN, on("delete", "secrets"), True),
        (ADMIN, Attributes("get", path="/anything"), True),
        (SOMEONE, on("get", "pods"), False),
        (SOMEONE, on("create", "selfsubjectaccessreviews", "authorization.k8s.io"), True),
        (SOMEONE, on("create", "subjectaccessreviews", "authorization.k8s.io"), False),
        (SOMEONE, Attributes("get", path="/apis/apps/v1"), True),
        (SOMEONE, Attributes("get", path="/metrics"), False),
        (SOMEONE, Attributes("get", path="/openid/v1/jwks"), False),
        (BOT, Attributes("get", path="/openid/v1/jwks"), True),
        (BOT, on("get", "secrets"), False),
        (NOBODY, Attributes("get", path="/healthz"), True),
        (NOBODY, Attributes("get", path="/version"), True),
        (NOBODY, Attributes("get", path="/api"), False),
        (AGENT, on("watch", "pods"), True),
        (AGENT, on("list", "networkpolicies", "networking.k8s.io"), True),
        (AGENT, on("get", "secrets"), False),
        (AGENT, on("patch", "pods/status"), True),
        (AGENT, on("patch", "pods"), False),
        (AGENT, on("update", "pods/status"), False),
        (AGENT, on("create", "pods/exec"), False),
        (DNS, on("watch", "endpointslices", "discovery.k8s.io"), True),
        (DNS, on("list", "pods"), True),
        (DNS, on("watch", "configmaps", namespace="kube-system", name="coredns"), True),
        (DNS, on("watch", "configmaps", namespace="kube-system"), False),
        (DNS, on("get", "configmaps", namespace="kube-system", name="other"), False),
        (DNS, on("list", "secrets"), False),
        (CONTROLLERS, on("create", "pods"), True),
        (CONTROLLERS, on("create", "pods/binding"), True),
        (CONTROLLERS, on("deletecollection", "widgets", "example.com"), True),
        (CONTROLLERS, on("create", "pods/exec"), False),
        (CONTROLLERS, on("create", "serviceaccounts/token"), False),
        (CONTROLLERS, on("create", "clusterrolebindings", "rbac.authorization.k8s.io"), False),
        (CONTROLLERS, on("impersonate", "users"), False),
        (CONTROLLERS, on("escalate", "clusterroles", "rbac.authorization.k8s.io"), False),
        (NODE, on("list", "configmaps"), True),
        (NODE, on("patch", "nodes/status", name="node-1", namespace=""), True),
        (NODE, on("patch", "nodes/status", name="node-2", namespace=""), False),
        (NODE, on("create", "pods"), False),
        (NODE, on("update", "configmaps"), False),
        (NODE, on("create", "clusterroles", "rbac.authorization.k8s.io"), False),
    ],
)
async def test_rights_of_every_user_from_the_start(
    authorize: Authorizer, who: User, requested: Attributes, allowed: bool
) -> None:
    assert authorize(who, requested).allowed is allowed


@pytest.mark.proves("rbac")
@pytest.mark.parametrize(
    ("name", "requested", "allowed"),
    [
        ("view", on("list", "pods"), True),
        ("view", on("get", "pods/log"), True),
        ("view", on("get", "secrets"), False),
        ("view", on("create", "pods/exec"), False),
        ("view", on("list", "roles", "rbac.authorization.k8s.io"), False),
        ("edit", on("list", "pods"), True),
        ("edit", on("get", "secrets"), True),
        ("edit", on("create", "deployments", "apps"), True),
        ("edit", on("create", "rolebindings", "rbac.authorization.k8s.io"), False),
        ("admin", on("create", "rolebindings", "rbac.authorization.k8s.io"), True),
        ("admin", on("create", "pods/exec"), True),
        ("admin", on("delete", "namespaces"), False),
        ("admin", on("get", "pods", namespace="b"), False),
        ("cluster-admin", on("delete", "namespaces"), True),
    ],
)
async def test_the_roles_for_users(talk: Talk, name: str, requested: Attributes, allowed: bool) -> None:
    await talk.ok("POST", f"{RBAC}/namespaces/default/rolebindings", binding("other", name, user("another")))
    await talk.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "a"}})
    await talk.ok("POST", f"{RBAC}/namespaces/a/rolebindings", binding("b", name, user("eve")))
    assert talk.server.access.auth_filter.authorize(User("eve", (IN,)), requested).allowed is allowed


async def test_deleted_roles_and_rules_are_restored_at_the_next_start(talk: Talk) -> None:
    path = f"{RBAC}/clusterroles"
    await talk.ok("DELETE", f"{path}/system:discovery")
    cut = await talk.ok("GET", f"{path}/system:basic-user")
    await talk.ok("PUT", f"{path}/system:basic-user", {**cut, "rules": [rule("get", "", "pods")]})
    await talk.ok("POST", path, role("own", rule("get", "", "pods")))
    kept = await talk.ok("GET", f"{path}/system:node-proxier")
    kept["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false"
    await talk.ok("PUT", f"{path}/system:node-proxier", {**kept, "rules": []})
    await talk.server.access.start(talk.server.registry)
    assert (await talk.ok("GET", f"{path}/system:discovery"))["rules"]
    rules = (await talk.ok("GET", f"{path}/system:basic-user"))["rules"]
    assert rules[0] == rule("get", "", "pods")
    assert len(rules) == 3
    assert (await talk.ok("GET", f"{path}/system:node-proxier"))["rules"] == []
