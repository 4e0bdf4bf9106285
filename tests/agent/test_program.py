"""`podwire agent` and `podwire dns` as processes of their own, with a kubeconfig and a token, beside an API server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from podwire.apiserver.main import running
from podwire.kube.client import Client
from podwire.kube.kinds import NAMESPACES, NODES, SERVICE_ACCOUNTS, SERVICES, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.pki import certificates
from podwire.pki.jwt import SigningKey
from tests.apiserver.conftest import Files, configuration, free_listener, write_files
from tests.sandbox import sandboxed

BINDINGS = Kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", Object, namespaced=False)
ROLES = Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", Object, namespaced=False)
ACCOUNT = NamespacedName("kube-system", "podwire")
A_DAY = 86_400
"""Long tests take more than the hour after which a token ends."""
RANGES = ("--pod-cidrs", "10.244.0.0/16", "--service-cidrs", "10.96.0.0/16,fd00:10:96::/112")


class Event(Object, frozen=True):
    """What `kubectl events` shows of one."""

    reason: str = ""


class Cluster:
    """An API server that can be switched off and on at one port, and a ServiceAccount's token in a file."""

    def __init__(self, folder: Path, role: str) -> None:
        self.files: Files = write_files(folder)
        certificates.write_private(folder / "tokens.key", SigningKey.create().pem())
        listener = free_listener()
        self.port = listener.getsockname()[1]
        listener.close()
        self.role = role
        self.token = folder / "token"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "main",
                    "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": "ca.crt"}}],
                    "users": [{"name": "u", "user": {"tokenFile": "token"}}],
                }
            )
        )

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def on(self) -> AsyncIterator[Client]:
        """The server runs inside the block; gives a client of its administrator."""
        folder = self.files.folder
        config = configuration(
            self.files,
            str(folder / "store.db"),
            listen=(("127.0.0.1", self.port),),
            token_key_file=str(folder / "tokens.key"),
        )
        async with running(config), Client(self.files.credentials(self.url)) as client:
            yield client

    async def new_token(self, client: Client) -> None:
        """Make the account, and replace the file by a new token of it, as a kubelet does."""
        await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": ACCOUNT.name}}, ACCOUNT.namespace)
        fresh = self.token.with_suffix(".new")
        fresh.write_text((await client.request_token(SERVICE_ACCOUNTS, ACCOUNT, {"expirationSeconds": A_DAY})).token)
        fresh.rename(self.token)

    async def renew_token(self, client: Client) -> None:
        """As `new_token`; the account is another one, so that its old tokens are invalid."""
        await client.delete(SERVICE_ACCOUNTS, ACCOUNT)
        await self.new_token(client)

    async def bind(self, client: Client, role: str = "") -> None:
        """Give the account its role, or another one."""
        subject = {"kind": "ServiceAccount", "name": ACCOUNT.name, "namespace": ACCOUNT.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role or self.role}
        await client.create(
            BINDINGS, {"metadata": {"name": f"test-{role}"}, "roleRef": reference, "subjects": [subject]}
        )


@asynccontextmanager
async def program(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "podwire", *arguments, env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, list[dict[str, Any]]]:
    """The exit status after SIGTERM, and what the process logged in JSON."""
    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()
    return process.returncode, [json.loads(line) for line in log.splitlines()]


async def page(url: str) -> tuple[int, str]:
    """Status and body; 0 where nobody listens yet."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{url}") as response:
            return response.status, await response.text()
    except aiohttp.ClientConnectionError:
        return 0, ""


async def eventually(url: str, status: int, text: str = "") -> None:
    async with asyncio.timeout(60):
        while True:
            found, body = await page(url)
            if found == status and text in body:
                return
            await asyncio.sleep(0.05)


async def metric(name: str, **labels: str) -> float:
    _, text = await page("10249/metrics")
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return float(next(sample.value for sample in samples if labels.items() <= sample.labels.items()))


@sandboxed
async def test_an_agent_becomes_ready_follows_a_renewed_token_and_ends_in_order(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "podwire:agent")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--state-dir", "/run/podwire", "--log-format", "json")
    async with cluster.on() as client:
        await client.create(NODES, {"metadata": {"name": "a"}})
        await cluster.bind(client)
        await cluster.new_token(client)
    async with program("agent", *arguments, *RANGES, NODE_NAME="a") as process:
        await eventually("10249/healthz", 200)
        assert [(await page(f"10256/{path}"))[0] for path in ("readyz", "healthz", "livez")] == [503, 503, 200]
        async with cluster.on() as client:
            await eventually("10256/readyz", 200)
            await eventually("10256/healthz", 200, '"nodeEligible":true')
            assert (await page("10249/proxyMode")) == (200, "nftables")
            services = await metric("podwire_informer_objects", resource="services")
            await cluster.renew_token(client)
        async with cluster.on() as client:
            spec = {"ports": [{"port": 80}], "clusterIP": "10.96.0.80"}
            await client.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}, "default")
            known = 'podwire_informer_objects{resource="services"}'
            await eventually("10249/metrics", 200, f"{known} {services + 1:.0f}\n")
            assert await metric("kubeproxy_sync_proxy_rules_service_changes_total") >= services + 1
            await client.delete(NODES, NamespacedName("", "a"))
            await eventually("10256/healthz", 503, '"nodeEligible":false')
            assert (await page("10256/livez"))[0] == 200
            status, log = await ended(process)
    assert status == 0
    assert not [line for line in log if line["level"] in {"error", "critical"}]
    assert {"SIGTERM: ending"} <= {line["msg"] for line in log}
    tables = await asyncio.create_subprocess_exec("nft", "list", "tables", stdout=asyncio.subprocess.PIPE)
    assert b"podwire" in (await tables.communicate())[0], "what the agent wrote remains in the kernel"


@sandboxed
async def test_an_agent_that_replaces_kube_proxy_waits_for_its_end_and_removes_its_tables(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "podwire:agent")
    arguments = ("agent", "--kubeconfig", str(cluster.kubeconfig), "--state-dir", "/run/podwire", "--node-name", "a")
    await run_nft("add table ip kube-proxy; add table ip6 kube-proxy; add table ip mine")
    async with cluster.on() as client:
        await client.create(NODES, {"metadata": {"name": "a"}})
        await cluster.bind(client)
        await cluster.new_token(client)
        proxy = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 10249)
        async with proxy:
            for flags in (("--replace-kube-proxy",), ()):
                async with program(*arguments, *RANGES, *flags) as process:
                    _, log = await process.communicate()
                assert process.returncode == 1
                assert b"127.0.0.1:10249 is answered" in log
        async with program(*arguments, *RANGES) as process:
            await eventually("10256/readyz", 200)
            await logged(process, b"kube-proxy's rules are on this node (nftables table ip kube-proxy, ")
            await ended_process(process)
        assert "kube-proxy" in await run_nft("list tables"), "it is removed only where that is requested"
        async with program(*arguments, *RANGES, "--replace-kube-proxy") as process:
            await eventually("10256/readyz", 200)
            tables = await run_nft("list tables")
            await ended_process(process)
    assert "kube-proxy" not in tables
    assert {"table ip mine", "table inet podwire-services"} <= set(tables.splitlines())


async def run_nft(commands: str) -> str:
    process = await asyncio.create_subprocess_exec("nft", commands, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0, commands
    return output.decode()


async def logged(process: asyncio.subprocess.Process, words: bytes) -> None:
    """Return when a line of the log has these words. Raises TimeoutError."""
    assert process.stderr is not None, "it is a pipe"
    async with asyncio.timeout(60):
        while words not in await process.stderr.readline():
            pass


async def ended_process(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0


@sandboxed
async def test_a_dns_server_says_that_it_may_not_read_and_ends_in_order(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "podwire:dns")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--log-format", "json", "--linger", "0")
    async with cluster.on() as client:
        await cluster.new_token(client)
        async with program("dns", *arguments) as process:
            await eventually("8080/healthz", 200)
            await eventually("8181/readyz", 503, "ClusterRole podwire:dns must allow get, list and watch of services")
            await cluster.bind(client)
            await eventually("8181/readyz", 200)
            assert len((await client.list(NAMESPACES)).items) >= 4
            status, log = await ended(process)
    assert status == 0
    errors = [line["msg"] for line in log if line["level"] == "error"]
    assert errors
    assert all("ClusterRole podwire:dns must allow get, list and watch" in text for text in errors)


@sandboxed
async def test_an_agent_without_its_role_says_so_in_log_probe_metrics_and_an_event(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "podwire:agent")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--state-dir", "/run/podwire", "--log-format", "json")
    remedy = "clusterrolebinding podwire:agent --clusterrole=podwire:agent --serviceaccount=kube-system:podwire"
    async with cluster.on() as client:
        await client.create(NODES, {"metadata": {"name": "a"}})
        rules = [{"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]}]
        await client.create(ROLES, {"metadata": {"name": "events"}, "rules": rules})
        await cluster.bind(client, "events")
        await cluster.new_token(client)
        async with program("agent", *arguments, *RANGES, NODE_NAME="a") as process:
            await eventually("10249/readyz", 503, remedy)
            problem = 'podwire_informer_problem{resource="networkpolicies.networking.k8s.io",reason="Forbidden"} 1'
            await eventually("10249/metrics", 200, problem)
            async with asyncio.timeout(60):
                while not [one for one in await events(client) if one.reason == "APIForbidden"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await cluster.bind(client)
            await eventually("10256/readyz", 200)
            await eventually("10249/metrics", 200)
            assert "podwire_informer_problem{" not in (await page("10249/metrics"))[1]
            status, log = await ended(process)
    assert status == 0
    errors = [line["msg"] for line in log if line["level"] == "error"]
    assert len(errors) == 6
    assert all(remedy in text for text in errors)


async def events(client: Client) -> list[Event]:
    return (await client.list(Kind("v1", "Event", "events", Event))).items
