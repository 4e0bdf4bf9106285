"""Over TLS, with kubectl and plain HTTP: certificates, tokens, nobody, and asking as others."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from typing import Any

import aiohttp
import pytest

from podwire.pki import certificates
from tests.apiserver.access.things import ACCOUNTS, PODS, allow, rule
from tests.apiserver.conftest import KUBECTL, Files, Served, Talk


async def get(served: Served, path: str, **headers: str) -> tuple[int, Any]:
    """Code and body of a GET without a certificate."""
    context = ssl.create_default_context(cafile=served.credentials.authority_file)
    async with (
        aiohttp.ClientSession() as session,
        session.get(served.url + path, ssl=context, headers=headers) as answer,
    ):
        text = await answer.text()
        return answer.status, json.loads(text) if text.startswith("{") else text


async def token(served: Served) -> str:
    made = await Talk(served.server).ok("POST", f"{ACCOUNTS}/default/token", {})
    return str(made["status"]["token"])


async def kubectl(served: Served, *arguments: str, fails: bool = False) -> str:
    """kubectl without any certificate: what it prints, its error where it shall fail."""
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        "--kubeconfig=/dev/null",
        f"--server={served.url}",
        f"--certificate-authority={served.credentials.authority_file}",
        f"--cache-dir={served.files.folder / 'other-cache'}",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(process.communicate(), 60)
    assert bool(process.returncode) is fails, (arguments, process.returncode, out, error)
    return (error if fails else out).decode()


@pytest.mark.proves("client-certificates-and-tokens")
async def test_a_token_over_tls(served: Served) -> None:
    bearer = {"Authorization": f"Bearer {await token(served)}"}
    assert (await get(served, "/api", **bearer))[0] == 200
    code, refusal = await get(served, PODS, **bearer)
    assert code == 403
    assert 'User "system:serviceaccount:default:default" cannot list resource "pods"' in refusal["message"]
    assert (await get(served, "/api", Authorization="Bearer nonsense"))[0] == 401
    assert (await get(served, "/api", Authorization="Basic YTpi"))[0] == 401


async def test_anonymous_requests_over_tls(served: Served) -> None:
    assert await get(served, "/readyz") == (200, "ok")
    code, refusal = await get(served, "/api")
    assert (code, refusal["reason"]) == (401, "Unauthorized")


@pytest.mark.proves("oidc-discovery")
async def test_openid_connect_finds_the_keys_of_a_token(served: Served) -> None:
    bearer = {"Authorization": f"Bearer {await token(served)}"}
    code, document = await get(served, "/.well-known/openid-configuration", **bearer)
    assert code == 200
    assert document["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert document["jwks_uri"].endswith(":6443/openid/v1/jwks")
    _, keys = await get(served, "/openid/v1/jwks", **bearer)
    head = bearer["Authorization"].split()[1].split(".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    assert [key["kid"] for key in keys["keys"]] == [header["kid"]]


async def test_kubectl_with_a_token(served: Served) -> None:
    bearer = f"--token={await token(served)}"
    error = await kubectl(served, bearer, "get", "pods", fails=True)
    assert error.strip() == (
        'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:default:default" cannot list '
        'resource "pods" in API group "" in the namespace "default"'
    )
    await allow(Talk(served.server), "system:serviceaccount:default:default", rule("list", "", "pods"))
    assert await kubectl(served, bearer, "get", "pods", "-o", "name") == ""
    assert "Forbidden" in await kubectl(served, bearer, "get", "secrets", fails=True)
    assert "Unauthorized" in await kubectl(served, "--token=x", "get", "pods", fails=True)


async def test_kubectl_as_another(served: Served) -> None:
    error = await served.kubectl("get", "pods", "--as=bob", "--as-group=a", "--as-group=b", fails=True)
    assert 'User "bob" cannot list resource "pods"' in error
    assert await served.kubectl("get", "pods", "--as=bob", "--as-group=system:masters", "-o", "name") == ""
    await allow(Talk(served.server), "x", rule("impersonate", "", "users"))
    staff = await served.kubectl("get", "--raw=/api", "--as=bob", "--as-group=a")
    assert "APIVersions" in staff


async def test_a_certificates_user_is_held_to_the_rules(served: Served, files: Files) -> None:
    authority = certificates.Authority.load(
        certificates.KeyPair(*((files.folder / f"ca.{end}").read_bytes() for end in ("crt", "key")))
    )
    certificates.write(files.folder, "eve", authority.client("eve", ["staff"]))
    flags = [f"--client-certificate={files.folder / 'eve.crt'}", f"--client-key={files.folder / 'eve.key'}"]
    assert 'User "eve" cannot list resource "pods"' in await kubectl(served, *flags, "get", "pods", fails=True)
    await allow(Talk(served.server), "eve", rule("list", "", "pods"), namespace="default")
    await kubectl(served, *flags, "get", "pods")
    assert 'in the namespace "kube-system"' in await kubectl(
        served, *flags, "get", "pods", "-n", "kube-system", fails=True
    )


async def test_kubectl_makes_roles_and_bindings(served: Served) -> None:
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}
    make = ("--as=bob", "--as-group=staff", "create", "--validate=false", "-f", "-")
    assert "Forbidden" in await served.kubectl(*make, stdin=json.dumps(made), fails=True)
    manifest = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": "r", "namespace": "default"},
                "rules": [rule("create", "", "configmaps")],
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "b", "namespace": "default"},
                "roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
                "subjects": [{"kind": "Group", "name": "staff", "apiGroup": "rbac.authorization.k8s.io"}],
            },
        ],
    }
    await served.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    assert "configmap/c created" in await served.kubectl(*make, stdin=json.dumps(made))


@pytest.mark.proves("kubectl-auth")
async def test_kubectl_reviews_its_own_rights(served: Served) -> None:
    """These bodies are protobuf: client-go sends nothing else."""
    assert "kubernetes-admin" in await served.kubectl("auth", "whoami")
    assert "bob" in await served.kubectl("auth", "whoami", "--as=bob", "-o", "jsonpath={.status.userInfo.username}")
    assert (await served.kubectl("auth", "can-i", "delete", "nodes")).strip() == "yes"
    await allow(Talk(served.server), "bob", rule("list", "", "pods"), namespace="default")
    as_bob = ("auth", "can-i", "--as=bob", "--as-group=system:authenticated")
    assert (await served.kubectl(*as_bob, "list", "pods")).strip() == "yes"
    assert (await served.kubectl(*as_bob, "get", "/api")).strip() == "yes"
    for question in (("list", "pods", "-A"), ("delete", "pods"), ("list", "pods", "--subresource=log"), ("get", "/x")):
        assert await served.kubectl(*as_bob, *question, "-q", fails=True) == ""
    listed = await served.kubectl(*as_bob, "--list")
    assert "pods" in listed
    assert "selfsubjectaccessreviews.authorization.k8s.io" in listed


@pytest.mark.proves("kubectl-create-token")
async def test_kubectl_creates_tokens(served: Served) -> None:
    made = (await served.kubectl("create", "token", "default", "--duration=20m", "--audience=vault")).strip()
    review = {"spec": {"token": made, "audiences": ["vault"]}}
    answer = await Talk(served.server).ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert answer["status"]["authenticated"]
    plain = (await served.kubectl("create", "token", "default")).strip()
    assert "Forbidden" in await kubectl(served, f"--token={plain}", "get", "pods", fails=True)
    assert "less than 10 minutes" in await served.kubectl("create", "token", "default", "--duration=1m", fails=True)


async def test_kubectl_makes_a_role_by_flags(served: Served) -> None:
    await served.kubectl("create", "clusterrole", "pods", "--verb=get,list", "--resource=pods")
    await served.kubectl("create", "clusterrolebinding", "pods", "--clusterrole=pods", "--user=bob")
    assert (await served.kubectl("auth", "can-i", "--as=bob", "list", "pods", "-A")).strip() == "yes"
    described = await served.kubectl("describe", "clusterrole", "pods")
    assert "[get list]" in described
