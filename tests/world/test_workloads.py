"""Workloads as kubectl users know them, in a world of two nodes: every kind runs, a node drains, a node dies."""

import pytest

from tests.world.harness import World, eventually

MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: dbs}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: dbs
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: c, image: nginx, ports: [{containerPort: 80}], volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log}
spec:
  selector: {matchLabels: {app: log}}
  template:
    metadata: {labels: {app: log}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  completions: 3
  parallelism: 3
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, command: [sh, -c, "echo index $JOB_COMPLETION_INDEX on $(hostname)"]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
"""

PLACES = "{range .items[*]}{.spec.nodeName} {end}"


@pytest.fixture(scope="module")
def workloads(world: World) -> World:
    world.apply(MANIFEST)
    for what in ("statefulset/db", "daemonset/log", "deployment/web"):
        world.kubectl("rollout", "status", what, "--timeout=40s")
    return world


def images(world: World, app: str) -> list[str]:
    return world.jsonpath("pods", "{.items[*].spec.containers[0].image}", "-l", f"app={app}").split()


def answers(world: World) -> bool:
    address = world.jsonpath("service web", "{.spec.clusterIP}")
    result = world.run_in("node-1", "curl", "-s", "-m", "1", "-o", "/dev/null", f"http://{address}/", check=False)
    return result.returncode == 0


@pytest.mark.proves("statefulsets")
def test_a_stateful_sets_pods_have_names_that_dns_knows(workloads: World) -> None:
    assert workloads.jsonpath("pods", "{.items[*].metadata.name}", "-l", "app=db") == "db-0 db-1"
    command = ("exec", "db-0", "--", "getent", "hosts", "db-1.dbs")
    eventually(lambda: workloads.kubectl(*command, check=False).returncode == 0, 60, "the name of db-1")
    found = workloads.kubectl(*command).stdout
    assert "db-1.dbs.default.svc.cluster.local" in found
    assert workloads.kubectl("exec", "db-0", "--", "getent", "hosts", "db-7.dbs", check=False).returncode
    assert "VolumesNotProvided" in workloads.kubectl("describe", "statefulset", "db").stdout


@pytest.mark.proves("daemonsets", "kubectl-rollout-undo")
def test_each_node_has_one_pod_of_a_daemon_set_through_an_update_and_back(workloads: World) -> None:
    workloads.kubectl("set", "image", "daemonset/log", "c=nginx:2")
    workloads.kubectl("rollout", "status", "daemonset/log", "--timeout=40s")
    assert images(workloads, "log") == ["nginx:2"] * 2
    history = workloads.kubectl("rollout", "history", "daemonset/log").stdout
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
    workloads.kubectl("rollout", "undo", "daemonset/log")
    workloads.kubectl("rollout", "status", "daemonset/log", "--timeout=40s")
    eventually(lambda: images(workloads, "log") == ["nginx"] * 2, 60, "the old image")
    places = workloads.jsonpath("pods", PLACES, "-l", "app=log").split()
    assert sorted(places) == ["node-1", "node-2"]


@pytest.mark.proves("jobs")
def test_a_job_completes_each_index_once(workloads: World) -> None:
    workloads.kubectl("wait", "job/sum", "--for=condition=Complete", "--timeout=40s")
    assert workloads.jsonpath("job sum", "{.status.completedIndexes} {.status.succeeded}") == "0-2 3"
    logs = workloads.kubectl("logs", "-l", "job-name=sum").stdout
    assert sorted(line.split()[1] for line in logs.splitlines()) == ["0", "1", "2"]
    assert "on sum-1" in logs


@pytest.mark.long
@pytest.mark.proves("cron-schedule", "cron-history", "kubectl-create-job-from")
def test_a_cron_job_runs_by_the_clock_and_by_hand(workloads: World) -> None:
    workloads.kubectl(
        "create",
        "cronjob",
        "tick",
        "--image=busybox",
        "--schedule=@every 1s",
        "--",
        "sh",
        "-c",
        "echo tick $(hostname)",
    )
    made = '{.items[?(@.metadata.ownerReferences[0].name=="tick")].metadata.name}'
    eventually(lambda: workloads.jsonpath("jobs", made).split(), 60, "a job by the clock")
    workloads.kubectl("patch", "cronjob", "tick", "-p", '{"spec": {"suspend": true}}')
    workloads.kubectl("create", "job", "by-hand", "--from=cronjob/tick")
    workloads.kubectl("wait", "job/by-hand", "--for=condition=Complete", "--timeout=40s")
    assert workloads.kubectl("logs", "job/by-hand").stdout.startswith("tick by-hand")
    eventually(lambda: workloads.jsonpath("cronjob tick", "{.status.active}") == "", 60, "no job that runs")
    assert workloads.jsonpath("cronjob tick", "{.status.lastScheduleTime}")
    workloads.kubectl("delete", "cronjob", "tick")
    eventually(lambda: "by-hand" not in workloads.jsonpath("jobs", "{.items[*].metadata.name}"), 60, "its jobs to go")


def test_endpoints_are_shown_as_older_clients_want_them(workloads: World) -> None:
    pods = workloads.jsonpath("pods", "{.items[*].status.podIP}", "-l", "app=web").split()

    def listed() -> list[str]:
        return workloads.jsonpath("endpoints web", "{.subsets[*].addresses[*].ip}").split()

    eventually(lambda: sorted(listed()) == sorted(pods), 60, "the addresses of all pods")


FILLING = """
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: busybox
    command: [sh, -c, "head -c %d /dev/zero > /v/f; sleep 600"]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]
---
"""


@pytest.mark.long
def test_a_pod_over_the_limit_of_its_empty_dir_is_evicted_and_one_below_is_not(workloads: World) -> None:
    workloads.kubectl("apply", "-f", "-", stdin=FILLING % ("below", 900_000) + FILLING % ("over", 3_000_000))
    eventually(lambda: workloads.jsonpath("pod over", "{.status.reason}") == "Evicted", 40, "the eviction")
    found = workloads.jsonpath("pod over", "{.status.phase}: {.status.message}")
    assert found.strip() == 'Failed: Usage of EmptyDir volume "v" exceeds the limit "1Mi".'
    assert workloads.jsonpath("events", "{.items[*].type}", "--field-selector=reason=Evicted") == "Warning"
    workloads.kubectl("wait", "pod/below", "--for=condition=Ready", "--timeout=30s")
    workloads.kubectl("delete", "pod", "below", "over", "--now")


@pytest.mark.long
@pytest.mark.proves("kubectl-drain", "evictions", "kubectl-cordon")
def test_a_drain_waits_for_the_disruption_budget(workloads: World) -> None:
    pod = workloads.jsonpath("pods", "{.items[0].metadata.name}", "-l", "app=web")
    eviction = f'{{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {{"name": "{pod}"}}}}'
    path = f"/api/v1/namespaces/default/pods/{pod}/eviction"
    refused = workloads.kubectl("create", "--raw", path, "-f", "-", stdin=eviction, check=False)
    assert "would violate the pod's disruption budget" in refused.stderr
    drain = ("drain", "node-2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--pod-selector=app=web")
    workloads.kubectl("patch", "pdb", "web", "--type=merge", "-p", '{"spec": {"minAvailable": 0}}')
    eventually(
        lambda: workloads.jsonpath("pdb web", "{.status.disruptionsAllowed}") == "2", 10, "an allowed disruption"
    )
    workloads.kubectl(*drain, "--timeout=30s")
    workloads.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert set(workloads.jsonpath("pods", PLACES, "-l", "app=web").split()) == {"node-1"}
    workloads.kubectl("uncordon", "node-2")


@pytest.mark.long
@pytest.mark.proves("evictions")
def test_a_node_that_dies_loses_its_pods_and_comes_back_clean(workloads: World) -> None:
    workloads.kubectl("scale", "deployment", "web", "--replicas=4")
    workloads.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert "node-2" in workloads.jsonpath("pods", PLACES, "-l", "app=web")
    assert "node-2 is off" in workloads.home.podwire("node", "stop", "--name", workloads.name, "2").stdout
    assert not [
        name for name in workloads.processes().values() if name.startswith(("pw-agent-node-2", "pw-runtime-node-2"))
    ]
    workloads.kubectl("wait", "node/node-2", "--for=condition=Ready=Unknown", "--timeout=30s")
    eventually(
        lambda: set(workloads.jsonpath("pods", PLACES, "-l", "app=web").split()) == {"node-1"}, 15, "the eviction"
    )
    workloads.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert answers(workloads)
    workloads.home.podwire("node", "start", "--name", workloads.name, "node-2")
    workloads.kubectl("wait", "node/node-2", "--for=condition=Ready", "--timeout=30s")
    eventually(lambda: not workloads.jsonpath("node node-2", "{.spec.taints}"), 60, "a node without taints")
    workloads.kubectl("rollout", "status", "daemonset/log", "--timeout=40s")
    assert (
        "none of node-1, node-2"
        in workloads.home.podwire("node", "stop", "--name", workloads.name, "3", check=False).stderr
    )
