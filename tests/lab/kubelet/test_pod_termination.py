"""How pods end: hooks before the end, sidecars last, deadlines."""

from __future__ import annotations

import asyncio

import pytest

from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName
from podwire.lab.shim import messages
from podwire.lab.shim.lifecycle import Running, Terminated
from tests.lab.nodes import is_ready, node, shell
from tests.lab.shim.test_server import script, shim
from tests.lab.shims import until
from tests.sandbox import in_world

OBEDIENT = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done"
PATIENT = "trap 'sleep 0.2; exit 0' TERM; echo ready; while :; do sleep 0.01; done"


@pytest.mark.proves("pod-lifecycle")
@in_world
async def test_sidecars_end_last_and_in_reverse() -> None:
    pod = await shim()
    await pod.apply(
        script(OBEDIENT, name="first", init=True, restart="Always"),
        script(PATIENT, name="second", init=True, restart="Always"),
        script(PATIENT),
    )
    # A first process has no signal handlers before its trap, and the kernel drops what it does not handle.
    await until(lambda: all("ready" in pod.log(name) for name in ("first", "second", "main")))
    await pod.ask(messages.Stop(grace_seconds=10))
    records = await pod.state(lambda r: all(isinstance(record.state, Terminated) for record in r.values()))
    ends = {name: record.state.finished for name, record in records.items() if isinstance(record.state, Terminated)}
    assert ends["main"] < ends["second"] < ends["first"]
    assert all(record.state.exit_code == 0 for record in records.values() if isinstance(record.state, Terminated))


@in_world
async def test_what_is_behind_a_gated_sidecar_waits_until_it_has_started() -> None:
    pod = await shim()
    await pod.apply(script("sleep 60", name="side", init=True, restart="Always", gated=True), script("sleep 60"))
    records = await pod.state(lambda r: isinstance(r["side"].state, Running))
    assert not isinstance(records["main"].state, Running)
    await pod.ask(messages.Pass(container="side"))
    await pod.state(lambda r: isinstance(r["main"].state, Running))


@in_world
async def test_a_sidecars_startup_probe_holds_the_pod_back() -> None:
    probe = {"exec": {"command": ["test", "-e", "/shared/go"]}, "periodSeconds": 1, "failureThreshold": 60}
    mounts = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    side = shell("sleep 60", restartPolicy="Always", startupProbe=probe, **mounts) | {"name": "side"}
    async with node() as home:
        main = shell("sleep 60", **mounts)
        await home.create("web", main, initContainers=[side], volumes=[{"name": "shared", "emptyDir": {}}])
        pod = await home.when("web", lambda p: "running" in p["status"]["initContainerStatuses"][0]["state"])
        assert "waiting" in pod["status"]["containerStatuses"][0]["state"]
        assert {c["type"]: c["status"] for c in pod["status"]["conditions"]}["Initialized"] == "False"
        worker = home.kubelet.workers[pod["metadata"]["uid"]]
        assert await worker.shim.exit_code("side", ("touch", "/shared/go"), 5) == 0
        pod = await home.when("web", is_ready)
        assert pod["status"]["initContainerStatuses"][0]["started"] is True


@pytest.mark.proves("pod-lifecycle")
@in_world
async def test_the_pre_stop_hook_runs_before_sigterm_within_the_grace() -> None:
    async with node() as home:
        hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "touch /tmp/hook; exit 3"]}}}
        wait = "trap 'test -e /tmp/hook && exit 7; exit 8' TERM; while :; do sleep 0.01; done"
        body = shell(wait, lifecycle=hook)
        await home.create("web", body, restartPolicy="Never", activeDeadlineSeconds=600)
        pod = await home.when("web", is_ready)
        worker = home.kubelet.workers[pod["metadata"]["uid"]]
        await home.delete("web")
        await home.gone("web")
        state = worker.records["main"].state
        assert isinstance(state, Terminated)
        assert state.exit_code == 7
        assert "PreStopHook failed: command /bin/sh" in await home.event("web", "FailedPreStopHook")


@in_world
async def test_a_hook_that_takes_too_long_is_cut_off() -> None:
    async with node() as home:
        hook = {"preStop": {"sleep": {"seconds": 60}}}
        await home.create("web", shell(OBEDIENT, lifecycle=hook), terminationGracePeriodSeconds=60)
        await home.when("web", is_ready)
        began = asyncio.get_running_loop().time()
        await home.delete("web")
        await home.when("web", lambda p: p["metadata"]["deletionTimestamp"])
        await home.delete("web", grace_seconds=1)
        await home.gone("web")
        assert asyncio.get_running_loop().time() - began < 30


@in_world
async def test_a_pod_that_is_active_for_too_long_fails() -> None:
    async with node() as home:
        grace = {"terminationGracePeriodSeconds": 1}  # they may be ended before their trap is set
        await home.create("early", shell(OBEDIENT), activeDeadlineSeconds=1, **grace)
        await home.create("web", shell(OBEDIENT), activeDeadlineSeconds=600, **grace)
        await home.create("done", shell("true"), restartPolicy="Never")
        await home.when("web", is_ready)
        await home.when("done", lambda p: p["status"]["phase"] == "Succeeded")
        for name in ("web", "done"):
            deadline = {"spec": {"activeDeadlineSeconds": 1}}
            await home.client.patch(PODS, NamespacedName("default", name), deadline)
        await home.when("early", lambda p: p["status"].get("reason") == "DeadlineExceeded")
        pod = await home.when("web", lambda p: p["status"]["phase"] == "Failed")
        assert pod["status"]["reason"] == "DeadlineExceeded"
        assert "terminated" in pod["status"]["containerStatuses"][0]["state"]
        await home.event("web", "DeadlineExceeded")
        await home.delete("web")
        await home.gone("web")
        assert (await home.pod("done"))["status"]["phase"] == "Succeeded"
