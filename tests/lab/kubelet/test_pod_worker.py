"""A pod on its node: volumes of the node, hooks, last words, eviction, and a worker that fails."""

from __future__ import annotations

from unittest.mock import patch

from podwire.lab.base import paths
from podwire.lab.kubelet import node_conditions, pod_workers
from podwire.lab.kubelet.node_conditions import Readings
from podwire.lab.kubelet.pod_setup import PodSetup
from podwire.lab.shim.lifecycle import Running
from tests.lab.nodes import NODE, PODS_FOLDER, is_ready, log_of, node, shell, state_of
from tests.lab.shims import until
from tests.sandbox import in_world


@in_world
async def test_host_paths_of_log_collectors_and_exporters() -> None:
    async with node() as home:
        main = shell(
            "echo seen; head -1 /host/proc/meminfo; readlink /host/proc/self; touch /host/proc/x /host/sys/x;"
            "cat /etc/machine-id; echo kept > /logs/own; touch /logs/pods/x; touch /root/x;"
            "until cat /logs/containers/web_default_main-*.log /logs/pods/*/main/0.log; do sleep 0.01; done; sleep 60",
            volumeMounts=[
                {"name": "proc", "mountPath": "/host/proc"},
                {"name": "sys", "mountPath": "/host/sys"},
                {"name": "root", "mountPath": "/host/root"},
                {"name": "log", "mountPath": "/logs"},
                {"name": "log", "mountPath": "/var/log"},
                {"name": "id", "mountPath": "/etc/machine-id"},
            ],
        )
        paths_of_volumes = {"proc": "/proc", "sys": "/sys", "root": "/", "log": "/var/log"}
        volumes = [{"name": name, "hostPath": {"path": path}} for name, path in paths_of_volumes.items()]
        volumes.append({"name": "id", "hostPath": {"path": "/etc/machine-id", "type": "File"}})
        pod = await home.create("web", main, volumes=volumes)
        await until(lambda: log_of(pod).count("stdout F seen") > 2)
        log = log_of(pod)
        assert "MemTotal" in log
        for path in ("/host/proc/x", "/host/sys/x", "/logs/pods/x"):
            assert f"{path}': " in log or f"{path}: " in log, path
        assert (home.kubelet.node.files.tree / "var/log/own").read_text() == "kept\n"
        await home.delete("web", grace_seconds=0)
        await until(lambda: not list(home.kubelet.node.files.pod_logs.iterdir()))
        assert not list(home.kubelet.node.files.container_logs.iterdir())


@in_world
async def test_a_host_path_of_another_type_is_reported() -> None:
    async with node() as home:
        main = shell("sleep 60", volumeMounts=[{"name": "socket", "mountPath": "/s"}])
        volumes = [{"name": "socket", "hostPath": {"path": "/run/docker.sock", "type": "Socket"}}]
        await home.create("web", main, volumes=volumes)
        expected = 'MountVolume.SetUp failed for volume "socket" : hostPath type check failed: /run/docker.sock'
        assert expected in await home.event("web", "FailedMount")


@in_world
async def test_a_container_runs_for_others_when_its_post_start_hook_is_done() -> None:
    async with node() as home:
        script = "until test -e /tmp/go; do sleep 0.01; done; touch /tmp/hooked"
        hook = {"postStart": {"exec": {"command": ["/bin/sh", "-c", script]}}}
        main = shell("until test -e /tmp/hooked; do sleep 0.01; done; echo hooked; sleep 60", lifecycle=hook)
        uid = (await home.create("web", main))["metadata"]["uid"]

        def runs() -> bool:
            record = home.kubelet.workers[uid].records.get("main") if uid in home.kubelet.workers else None
            return record is not None and isinstance(record.state, Running)

        await until(runs)
        pod = await home.when("web", lambda p: state_of(p).get("waiting"))
        assert (pod["status"]["phase"], state_of(pod)["waiting"]["reason"]) == ("Pending", "ContainerCreating")
        assert await home.kubelet.workers[uid].shim.exit_code("main", ("touch", "/tmp/go"), 5) == 0
        pod = await home.when("web", is_ready)
        await until(lambda: "F hooked" in log_of(pod))


@in_world
async def test_a_post_start_hook_that_fails_ends_the_container() -> None:
    async with node() as home:
        hook = {"exec": {"command": ["/bin/false"]}}
        main = shell("trap 'exit 7' TERM; while :; do sleep 0.01; done", lifecycle={"postStart": hook})
        await home.create("web", main, restartPolicy="Never", initContainers=[{**shell("true"), "name": "first"}])
        pod = await home.when("web", lambda p: p["status"]["phase"] == "Failed")
        assert state_of(pod)["terminated"]["exitCode"] == 7
        assert await home.event("web", "FailedPostStartHook") == "PostStartHook failed"


@in_world
async def test_the_main_container_waits_for_initialization_and_leaves_its_last_words() -> None:
    async with node() as home:
        first = {**shell("until test -e /w/go; do sleep 0.01; done"), "name": "first"}
        mounts = [{"name": "w", "mountPath": "/w"}]
        main = shell("echo over > /dev/termination-log; exit 3", volumeMounts=mounts)
        other = {**shell("echo said; exit 4"), "name": "other", "terminationMessagePolicy": "FallbackToLogsOnError"}
        pod = await home.create(
            "web",
            main,
            other,
            {"name": "none", "image": "busybox", "command": ["/nope"]},
            initContainers=[{**first, "volumeMounts": mounts}],
            restartPolicy="Never",
            volumes=[{"name": "w", "emptyDir": {}}],
        )
        await home.when("web", lambda p: state_of(p, "first").get("running"))
        pod = await home.pod("web")
        assert state_of(pod)["waiting"]["reason"] == "PodInitializing"
        assert await home.kubelet.workers[pod["metadata"]["uid"]].shim.exit_code("first", ("touch", "/w/go"), 5) == 0
        pod = await home.when("web", lambda p: p["status"]["phase"] == "Failed")
        assert state_of(pod)["terminated"]["message"] == "over\n"
        assert state_of(pod, "other")["terminated"]["message"] == "said\n"
        last = state_of(pod, "none")["terminated"]
        assert (last["reason"], last["exitCode"]) == ("StartError", 128)
        assert "no such file" in last["message"]


@in_world
async def test_a_pod_over_a_limit_of_storage_is_evicted() -> None:
    message = 'Usage of EmptyDir volume "w" exceeds the limit "1Mi". '
    async with node() as home:
        fill = "head -c 4194304 /dev/zero > /w/file; trap '' TERM; while :; do sleep 0.1; done"
        main = shell(fill, volumeMounts=[{"name": "w", "mountPath": "/w"}])
        await home.create("web", main, volumes=[{"name": "w", "emptyDir": {"sizeLimit": "1Mi"}}])
        pod = await home.when("web", lambda p: p["status"]["phase"] == "Failed")
        assert (pod["status"]["reason"], pod["status"]["message"]) == ("Evicted", message)
        assert await home.event("web", "Evicted") == message
        await until(lambda: not (paths.NETWORKS / "pods" / pod["metadata"]["uid"]).exists())
        await home.restart()
        await until(lambda: bool(home.kubelet.workers))
        assert (await home.pod("web"))["status"]["reason"] == "Evicted"
        await home.delete("web", grace_seconds=0)
        await until(lambda: not list((paths.ephemeral(NODE.name) / "pods").iterdir()))


@in_world
async def test_a_pod_that_fills_its_node_is_evicted_and_gives_the_storage_back() -> None:
    readings = Readings(memory=1, storage=1, storage_total=100)
    async with node() as home:
        main = shell("head -c 4194304 /dev/zero > /w/file; sleep 1000", volumeMounts=[{"name": "w", "mountPath": "/w"}])
        await home.create("small", shell("sleep 1000"))
        await home.create("large", main, volumes=[{"name": "w", "emptyDir": {}}])
        await home.when("small", is_ready)
        await home.when("large", is_ready)
        with patch.object(node_conditions, "read", return_value=readings):
            pod = await home.when("large", lambda p: p["status"]["phase"] == "Failed")
        assert pod["status"]["message"].startswith("The node was low on resource: ephemeral-storage. ")
        uid = pod["metadata"]["uid"]
        await until(lambda: not (paths.ephemeral(NODE.name) / "pods" / uid).exists())
        assert is_ready(await home.pod("small"))


@in_world
async def test_a_container_that_fills_its_root_is_evicted_and_one_within_its_limit_is_not() -> None:
    async with node() as home:
        limits = {"resources": {"limits": {"ephemeral-storage": "8Mi"}}}
        await home.create("small", shell("head -c 2097152 /dev/zero > /tmp/file; sleep 1000", **limits))
        await home.create("large", shell("head -c 16777216 /dev/zero > /tmp/file; sleep 1000", **limits))
        pod = await home.when("large", lambda p: p["status"]["phase"] == "Failed")
        expected = "Pod ephemeral local storage usage exceeds the total limit of containers 8Mi. "
        assert pod["status"]["message"] == expected
        assert is_ready(await home.pod("small"))


@in_world
async def test_a_worker_that_fails_is_reported_and_what_it_ran_is_still_removed() -> None:
    async with node() as home:
        pod = await home.create("web", shell("sleep 60"))
        await home.when("web", is_ready)
        with (
            patch.object(PodSetup, "configure", side_effect=ValueError("spoilt")),
            patch.object(pod_workers, "FIRST_RETRY_SECONDS", 0.0),
        ):
            home.kubelet.workers[pod["metadata"]["uid"]].poke()
            assert "ValueError: spoilt" in await home.event("web", "FailedSync")
            await home.delete("web", grace_seconds=0)
            await until(lambda: not list(PODS_FOLDER.iterdir()))
