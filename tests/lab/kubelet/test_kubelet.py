"""A node's runtime with a real API server, real shims and containers, and a small CNI plugin."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
from pathlib import Path
from unittest.mock import patch

import pytest

from podwire.kube.kinds import CONFIG_MAPS, SECRETS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.lab.base import paths
from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.images.resolver import InHouse
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimClient
from tests.lab.nodes import PODS_FOLDER, is_ready, log_of, node, shell, state_of
from tests.lab.shims import DEADLINE, ForkSpawner, until
from tests.sandbox import in_world


@in_world
async def test_a_pod_runs_and_its_status_says_so() -> None:
    async with node() as home:
        resources = {"requests": {"cpu": "100m"}}
        await home.create("web", shell("cat /etc/resolv.conf /etc/hosts; hostname; sleep 60", resources=resources))
        pod = await home.when("web", is_ready)
        status = pod["status"]
        assert (status["phase"], status["qosClass"], status["observedGeneration"]) == ("Running", "Burstable", 1)
        assert status["podIP"] == "10.244.1.10"
        assert status["hostIPs"] == [{"ip": "172.18.0.2"}, {"ip": "fd00:172:18::2"}]
        only = status["containerStatuses"][0]
        assert (only["ready"], only["started"], only["restartCount"]) == (True, True, 0)
        assert only["imageID"] == "podwire://machine/busybox"
        assert [c["type"] for c in status["conditions"]][-4:] == [
            "PodReadyToStartContainers",
            "Initialized",
            "ContainersReady",
            "Ready",
        ]
        await until(lambda: "F web" in log_of(pod))
        assert "nameserver 10.96.0.10" in log_of(pod)
        assert "10.244.1.10\tweb" in log_of(pod)
        assert "Created container: main" in await home.event("web", "Created")


@in_world
async def test_deletion_waits_for_the_program_and_leaves_nothing() -> None:
    async with node() as home:
        pod = await home.create("web", shell("trap 'exit 0' TERM; while :; do sleep 0.01; done"))
        uid = pod["metadata"]["uid"]
        await home.when("web", is_ready)
        await home.delete("web")
        await home.gone("web")
        await until(lambda: not (PODS_FOLDER / uid).exists())
        assert not (paths.NETWORKS / "pods" / uid).exists()
        assert not (Path("/run/podwire/cni/state") / uid).exists(), "DEL came"
        await until(lambda: not home.kubelet.workers)
        assert "Stopping container main" in await home.event("web", "Killing")


@in_world
async def test_a_pod_that_is_deleted_before_its_shim_listens_goes_at_once() -> None:
    requested, listening = asyncio.Event(), asyncio.Event()
    spawn, send = ForkSpawner.spawn, ShimClient.request

    async def late(self: ForkSpawner, request: SpawnRequest) -> int:
        await listening.wait()
        return await spawn(self, request)

    async def noted(self: ShimClient, request: messages.Request) -> None:
        if isinstance(request, messages.Stop):
            requested.set()
        await send(self, request)

    with patch.object(ForkSpawner, "spawn", late), patch.object(ShimClient, "request", noted):
        async with node() as home:
            await home.create("web", {"name": "main", "image": "nginx"})
            await until(lambda: bool(home.kubelet.workers))
            await home.delete("web", grace_seconds=3600)
            await asyncio.wait_for(requested.wait(), DEADLINE)
            listening.set()
            await home.gone("web")


@in_world
async def test_a_pod_outlives_its_runtime_and_the_next_one_adopts_it() -> None:
    async with node() as home:
        await home.create("web", shell("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"))
        pod = await home.when("web", is_ready)
        await home.restart()
        await until(lambda: bool(home.kubelet.workers))
        await asyncio.sleep(0)
        count = len(log_of(pod).splitlines())
        await until(lambda: len(log_of(pod).splitlines()) > count + 3)
        after = await home.when("web", is_ready)
        assert state_of(after) == state_of(pod), "the same process since the same time"
        await home.stop()
        await home.delete("web", grace_seconds=0)
        await home.restart()
        await until(lambda: not list(PODS_FOLDER.iterdir()))


@in_world
async def test_a_pod_deleted_while_a_runtime_starts_is_ended() -> None:
    async with node() as home:
        await home.create("web", shell("sleep 60"))
        await home.when("web", is_ready)
        await home.stop()
        state = Path("/run/podwire/cni/state")
        (state / "gc").unlink()
        (state / "hold").touch()
        await home.restart()
        await until((state / "gc").exists)
        await home.delete("web", grace_seconds=0)
        await until(lambda: not home.kubelet._pods.objects)
        assert list(PODS_FOLDER.iterdir())
        (state / "hold").unlink()
        await until(lambda: not list(PODS_FOLDER.iterdir()))


@in_world
async def test_a_killed_shim_comes_back_and_no_container_dies() -> None:
    async with node() as home:
        pod = await home.create("web", shell("sleep 60"))
        before = await home.when("web", is_ready)
        shims = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and int(entry.name) > 2 and _name_of(entry) == "pw-shim"
        ]
        assert len(shims) == 1
        os.kill(shims[0], signal.SIGKILL)
        folder = PODS_FOLDER / pod["metadata"]["uid"]
        await until(lambda: _name_of_any("pw-shim", without=shims[0]))
        worker = home.kubelet.workers[pod["metadata"]["uid"]]
        await until(lambda: _answers(folder))
        assert await worker.shim.exit_code("main", ("true",), 5) == 0
        after = await home.pod("web")
        assert state_of(after) == state_of(before)
        assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return ""


def _name_of_any(name: str, without: int) -> bool:
    return any(
        _name_of(entry) == name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and int(entry.name) != without
    )


def _answers(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        return client.connect_ex(str(folder / "shim.sock")) == 0


@in_world
async def test_configuration_reaches_the_container() -> None:
    async with node() as home:
        await home.client.create(
            CONFIG_MAPS, {"metadata": {"name": "conf"}, "data": {"a": "one", "b": "two"}}, "default"
        )
        secret = {"metadata": {"name": "key"}, "data": {"s": base64.b64encode(b"hidden").decode()}}
        await home.client.create(SECRETS, secret, "default")
        container = shell(
            "echo $A $S $N $IP $REF; cat /conf/a /conf/b /key/deep/s; stat -c %a /key/deep/..data/deep/s; "
            "while test $(cat /conf/a) = one; do sleep 0.01; done; cat /conf/a; touch /conf/x || echo refused; "
            "sleep 60",
            envFrom=[{"configMapRef": {"name": "conf"}, "prefix": "P_"}],
            env=[
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "key", "key": "s"}}},
                {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "REF", "value": "$(P_b)-$$(A)"},
            ],
            volumeMounts=[
                {"name": "conf", "mountPath": "/conf"},
                {"name": "key", "mountPath": "/key"},
            ],
        )
        volumes = [
            {"name": "conf", "configMap": {"name": "conf"}},
            {"name": "key", "secret": {"secretName": "key", "items": [{"key": "s", "path": "deep/s", "mode": 0o400}]}},
        ]
        await home.create("web", container, volumes=volumes)
        pod = await home.when("web", is_ready)
        await until(lambda: "hidden" in log_of(pod))
        words = [line.split(" ", 3)[3] for line in log_of(pod).splitlines()]
        assert words[0] == "one hidden web 10.244.1.10 two-$(A)"
        await home.client.patch(CONFIG_MAPS, NamespacedName("default", "conf"), {"data": {"a": "changed"}})
        await until(lambda: "refused" in log_of(pod))
        assert "changed" in log_of(pod)


@in_world
async def test_what_is_missing_is_waited_for() -> None:
    async with node() as home:
        wants = shell("sleep 60", env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}])
        await home.create("web", wants)
        pod = await home.when("web", lambda p: state_of(p)["waiting"]["reason"] == "CreateContainerConfigError")
        assert state_of(pod)["waiting"]["message"] == 'configmap "late" not found'
        assert pod["status"]["phase"] == "Pending"
        await home.client.create(CONFIG_MAPS, {"metadata": {"name": "late"}, "data": {"a": "1"}}, "default")
        await home.when("web", is_ready)


@in_world
async def test_a_command_that_is_not_here_is_never_a_stand_in() -> None:
    async with node() as home:
        await home.create("web", {"name": "main", "image": "nginx", "command": ["no-such-program"]})
        pod = await home.when("web", lambda p: state_of(p)["waiting"]["reason"] == "CrashLoopBackOff")
        last = state_of(pod, key="lastState")["terminated"]
        assert (last["exitCode"], last["reason"]) == (128, "StartError")
        assert "no-such-program" in last["message"]
        assert "no-such-program" in await home.event("web", "Failed")
        assert not pod["status"]["containerStatuses"][0]["ready"]


@pytest.mark.proves("image-stand-ins-labelled")
@in_world
async def test_a_stand_in_is_labelled_and_receives_service_variables() -> None:
    async with node() as home:
        await home.create("web", {"name": "main", "image": "nginx:1.27"})
        pod = await home.when("web", is_ready)
        assert pod["status"]["containerStatuses"][0]["imageID"] == "podwire://stand-in/nginx:1.27"
        assert "80/TCP" in await home.event("web", "StandIn")
        assert b"web" in await _get("10.244.1.10", 80)
        service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 8123}]}}
        await home.client.create(SERVICES, service, "default")
        answer = b""
        async with asyncio.timeout(60):
            while not answer:
                try:
                    answer = await _get("10.244.1.10", 8123)
                except OSError:
                    await asyncio.sleep(0.02)
        assert b"web" in answer


async def _get(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.proves("pod-lifecycle")
@in_world
async def test_probes_decide_readiness_and_restarts() -> None:
    async with node() as home:
        gate = "while ! test -e /tmp/go; do sleep 0.01; done"
        ready = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
        alive = {"exec": {"command": ["test", "!", "-e", "/tmp/dead"]}, "periodSeconds": 1, "failureThreshold": 1}
        container = shell(
            f"{gate}; touch /tmp/ready; sleep 60",
            readinessProbe=ready,
            livenessProbe=alive,
        )
        pod = await home.create("web", container, terminationGracePeriodSeconds=0)
        pod = await home.when("web", lambda p: state_of(p).get("running"))
        await home.event("web", "Unhealthy")
        assert not is_ready(await home.pod("web"))
        worker = home.kubelet.workers[pod["metadata"]["uid"]]
        await worker.shim.exit_code("main", ("touch", "/tmp/go"), 5)
        await home.when("web", is_ready)
        await worker.shim.exit_code("main", ("touch", "/tmp/dead"), 5)
        pod = await home.when("web", lambda p: p["status"]["containerStatuses"][0]["restartCount"] == 1)
        assert "Liveness probe failed" in str(await home.events("web"))


@in_world
async def test_http_and_tcp_probes() -> None:
    async with node() as home:
        container = {
            "name": "main",
            "image": "nginx",
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
            "startupProbe": {"tcpSocket": {"port": 8080}},
        }
        await home.create("web", container)
        await home.when("web", is_ready)
        await home.create("other", {**container, "readinessProbe": {"tcpSocket": {"port": 1, "host": "127.0.0.1"}}})
        await home.event("other", "Unhealthy")
        assert not is_ready(await home.pod("other"))


@in_world
async def test_a_pod_that_ends_gives_its_network_back_and_keeps_its_log() -> None:
    async with node() as home:
        first = {
            **shell("echo prepared > /work/x"),
            "name": "first",
            "volumeMounts": [{"name": "w", "mountPath": "/work"}],
        }
        main = shell("cat /work/x; exit 3", volumeMounts=[{"name": "w", "mountPath": "/work"}])
        await home.create(
            "job", main, initContainers=[first], restartPolicy="Never", volumes=[{"name": "w", "emptyDir": {}}]
        )
        pod = await home.when("job", lambda p: p["status"]["phase"] == "Failed")
        uid = pod["metadata"]["uid"]
        assert state_of(pod)["terminated"]["exitCode"] == 3
        assert state_of(pod, "first")["terminated"]["reason"] == "Completed"
        await until(lambda: not (paths.NETWORKS / "pods" / uid).exists())
        assert "stdout F prepared" in log_of(pod)
        await home.restart()
        await until(lambda: bool(home.kubelet.workers))
        assert (await home.pod("job"))["status"]["phase"] == "Failed"
        await home.delete("job")
        await home.gone("job")
        await until(lambda: not (PODS_FOLDER / uid).exists())


@in_world
async def test_a_pod_on_the_nodes_network() -> None:
    async with node() as home:
        await home.create("host", shell("hostname; ip -o link | wc -l; sleep 60"), hostNetwork=True)
        pod = await home.when("host", is_ready)
        assert pod["status"]["podIP"] == "172.18.0.2"
        await until(lambda: "F node-1" in log_of(pod))


@in_world
async def test_a_network_that_is_not_ready_is_tried_again() -> None:
    async with node() as home:
        refuse = Path("/run/podwire/cni/state/refuse")
        await until(refuse.parent.exists)
        refuse.touch()
        await home.create("web", shell("sleep 60"))
        assert "not yet" in await home.event("web", "FailedCreatePodSandBox")
        assert (await home.pod("web"))["status"]["phase"] == "Pending"
        refuse.unlink()
        await home.when("web", is_ready)


@in_world
async def test_images_of_our_own() -> None:
    async with node(**{"podwire/test": InHouse("tests.lab.kubelet.test_kubelet:own_image")}) as home:
        await home.create("own", {"name": "main", "image": "podwire/test", "args": ["--word=hello"]})
        pod = await home.when("own", lambda p: state_of(p, key="lastState").get("terminated"))
        assert "stdout F hello" in log_of(pod)
        assert pod["status"]["containerStatuses"][0]["imageID"] == "podwire://in-house/podwire/test"


def own_image(arguments: dict[str, str]) -> None:
    os.write(1, arguments["word"].encode() + b"\n")
