"""`podwire mesh-controller` as processes on a real API server, with a token that may do no more than its roles.

Nodes and hostile ones prove themselves by real tokens, which the server reviews.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from podwire.component import permissions
from podwire.kube.client import ApiError, Client
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import (
    CONFIG_MAPS,
    DAEMON_SETS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from podwire.kube.meta import NamespacedName
from podwire.mesh.controller import authority_store
from podwire.mesh.controller.daemon_set import KEY
from podwire.mesh.controller.signer_endpoint import SERVER_NAME, SERVICE
from podwire.mesh.identity.exchange import AUDIENCE, PORT, CertificateRequest, Requests
from podwire.mesh.node.signer_client import SignerClient, SignerError
from podwire.pki import authorities
from tests.agent.test_program import ACCOUNT, Cluster, ended, eventually, program
from tests.edge.controller.test_program import KINDS, until
from tests.sandbox import sandboxed

FRONT, BACK = "spiffe://cluster.local/ns/shop/sa/front", "spiffe://cluster.local/ns/shop/sa/back"
SLICE = NamespacedName(PROXIES, f"{SERVICE}-ipv4")
CONTAINERS = [{"name": "main", "image": "main"}]


@contextlib.asynccontextmanager
async def authorised(folder: Path) -> AsyncIterator[tuple[Cluster, Client]]:
    """A cluster with a token that has the roles of the table, two nodes and an enrolled namespace."""
    cluster = Cluster(folder, permissions.MESH)
    async with cluster.on() as client:
        with contextlib.suppress(ApiError):
            await client.create(NAMESPACES, {"metadata": {"name": PROXIES}})
        for body in permissions.objects({permissions.MESH: permissions.account(ACCOUNT.namespace, ACCOUNT.name)}):
            kind, namespace = KINDS[body["kind"]], body["metadata"].get("namespace", "")
            with contextlib.suppress(ApiError):
                await client.delete(kind, NamespacedName(namespace, body["metadata"]["name"]))
            await client.create(kind, body, namespace)
        await cluster.new_token(client)
        labels = {"podwire.dev/mesh": "enabled"}
        await client.create(NAMESPACES, {"metadata": {"name": "shop", "labels": labels}})
        for name in ("one", "two"):
            await client.create(NODES, {"metadata": {"name": name}})
        yield cluster, client


def controller(cluster: Cluster, number: int) -> Any:
    """A replica that listens on 127.0.0.NUMBER, and whose pod has the address 10.0.0.NUMBER."""
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--log-format", "json", "--mesh-image", "mesh:1")
    listening = ("--bind-address", f"127.0.0.1:{18100 + number}", "--signer-bind", f"127.0.0.{number}")
    return program(
        "mesh-controller", *arguments, *listening, POD_NAME=f"controller-{number}", POD_IPS=f"10.0.0.{number}"
    )


async def pod(client: Client, namespace: str, name: str, node: str, account: str) -> None:
    """Create a pod on a node, with its ServiceAccount."""
    with contextlib.suppress(ApiError):
        await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": account}}, namespace)
    spec = {"nodeName": node, "serviceAccountName": account, "containers": CONTAINERS}
    await client.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace)


async def token(client: Client, namespace: str, name: str, account: str, audience: str = AUDIENCE) -> str:
    """Return a token as a kubelet gets it for a pod."""
    uid = (await client.get(PODS, NamespacedName(namespace, name))).metadata.uid
    spec = {"audiences": [audience], "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}}
    return (await client.request_token(SERVICE_ACCOUNTS, NamespacedName(namespace, account), spec)).token


class Node:
    """A client with a token, at the signer of a controller."""

    def __init__(self, client: Client, file: Path, text: str) -> None:
        self._client, self._file = client, file
        file.write_text(text)

    async def send(self, number: int, *ids: str) -> list[str]:
        """Return the chains, or the errors; a refusal of the whole message once."""
        data = (await self._client.get(CONFIG_MAPS, NamespacedName(PROXIES, "podwire-mesh-trust"))).data
        made = tuple(CertificateRequest(one, authorities.request(one)[1].decode()) for one in ids)
        signer = SignerClient(f"127.0.0.{number}:{PORT}", SERVER_NAME, str(self._file))
        try:
            found = await signer.send(Requests(requests=made), data["roots.pem"])
        except SignerError as error:
            return [str(error)]
        return [one.error or one.chain for one in found.certificates]


@sandboxed
async def test_pods_of_the_mesh_are_created_with_the_first_thing_that_is_enrolled(tmp_path: Path) -> None:
    async with authorised(tmp_path) as (cluster, client):

        async def exists() -> object:
            try:
                return (await client.get(DAEMON_SETS, KEY)).spec.template.spec["serviceAccountName"]
            except ApiError as error:
                return error.reason

        await client.patch(NAMESPACES, NamespacedName("", "shop"), {"metadata": {"labels": {"podwire.dev/mesh": None}}})
        async with controller(cluster, 2) as process:
            await eventually("18102/metrics", 200, "podwire_mesh_authority_roots 1")
            assert await exists() == "NotFound"
            labels = {"istio.io/dataplane-mode": "ambient"}
            await client.patch(NAMESPACES, NamespacedName("", "shop"), {"metadata": {"labels": labels}})
            await until(exists, "podwire-mesh")
            await client.delete(DAEMON_SETS, KEY)
            await until(exists, "podwire-mesh")
            status, log = await ended(process)
    assert (status, [line for line in log if line["level"] == "error"]) == (0, [])


@sandboxed
async def test_nodes_get_what_runs_there_and_a_successor_goes_on_with_the_same_authority(tmp_path: Path) -> None:
    async with authorised(tmp_path) as (cluster, client):
        await pod(client, KEY.namespace, "mesh-one", "one", KEY.name)
        await pod(client, "shop", "front", "one", "front")
        await pod(client, "shop", "back", "two", "back")

        async def endpoint() -> object:
            return [one for end in (await client.get(ENDPOINT_SLICES, SLICE)).endpoints for one in end.addresses]

        node = Node(client, tmp_path / "node", await token(client, KEY.namespace, "mesh-one", KEY.name))
        async with controller(cluster, 2) as first:
            await until(endpoint, ["10.0.0.2"])
            async with controller(cluster, 3) as second:
                front, back = await node.send(2, FRONT, BACK)
                assert front.count("BEGIN CERTIFICATE") == 2
                assert back == "node one runs no pod of ServiceAccount shop/back"
                assert "Cannot connect" in (await node.send(3, FRONT))[0], "only the leader signs"
                before = await client.get(SECRETS, authority_store.AUTHORITY)
                status, log = await ended(first)
                assert (status, [line for line in log if line["level"] == "error"]) == (0, [])
                await until(endpoint, ["10.0.0.3"])
                (again,) = await node.send(3, FRONT)
                assert again.partition("-----END")[2] != front.partition("-----END")[0]
                assert again.split("-----BEGIN")[2] == front.split("-----BEGIN")[2], "the same intermediate"
                assert (await client.get(SECRETS, authority_store.AUTHORITY)).data == before.data
                status, log = await ended(second)
    assert (status, [line for line in log if line["level"] == "error"]) == (0, [])


@sandboxed
async def test_hostile_pods_and_nodes_get_nothing(tmp_path: Path) -> None:
    """Real tokens: of a pod, for another audience, of a mesh pod of another node, of one that is gone."""
    async with authorised(tmp_path) as (cluster, client):
        for name in ("one", "two"):
            await pod(client, KEY.namespace, f"mesh-{name}", name, KEY.name)
        await pod(client, "shop", "front", "one", "front")
        await pod(client, "shop", "podwire-mesh", "two", "podwire-mesh")  # the name alone proves nothing
        file = tmp_path / "node"
        of_pod = await token(client, "shop", "front", "front")
        of_namesake = await token(client, "shop", "podwire-mesh", "podwire-mesh")
        of_api = await token(client, KEY.namespace, "mesh-one", KEY.name, "https://kubernetes.default.svc")
        unbound = (await client.request_token(SERVICE_ACCOUNTS, KEY, {"audiences": [AUDIENCE]})).token
        of_two, of_one = [await token(client, KEY.namespace, f"mesh-{name}", KEY.name) for name in ("two", "one")]
        async with controller(cluster, 2) as process:
            await eventually("18102/metrics", 200, "podwire_mesh_authority_roots 1")
            await until(lambda: _first(Node(client, file, of_one), FRONT), "signed")
            assert "is not ServiceAccount" in (await Node(client, file, of_pod).send(2, FRONT))[0]
            assert "is not ServiceAccount" in (await Node(client, file, of_namesake).send(2, FRONT))[0]
            assert "not valid for the audience" in (await Node(client, file, of_api).send(2, FRONT))[0]
            assert "not bound to a pod" in (await Node(client, file, unbound).send(2, FRONT))[0]
            assert "node two runs no pod" in (await Node(client, file, of_two).send(2, FRONT))[0]
            await client.delete(PODS, NamespacedName(KEY.namespace, "mesh-one"), grace_seconds=0)
            await until(lambda: _first(Node(client, file, of_one), FRONT), "status 403")
            ledgers = await authority_store.read_ledgers(client)
            assert {(one.node, entry.id) for one in ledgers for entry in one.entries} == {("one", FRONT)}
            assert (await ended(process))[0] == 0


async def _first(node: Node, text: str) -> object:
    (found,) = await node.send(2, text)
    return "signed" if "BEGIN CERTIFICATE" in found else "status 403" if "status 403" in found else found


def test_what_a_node_sends_is_within_the_signers_limits() -> None:
    from podwire.mesh.identity import exchange

    name = "a" * 253
    text = f"spiffe://cluster.local/ns/{'a' * 63}/sa/{name}"
    one = CertificateRequest(text, authorities.request(text)[1].decode())
    message = Requests("version", ("f" * 64,) * 3, (one,) * exchange.MOST_REQUESTS)
    assert len(msgspec.json.encode(message)) < exchange.LARGEST_MESSAGE
