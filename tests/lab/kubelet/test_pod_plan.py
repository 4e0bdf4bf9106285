from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from podwire.kube.core import Container, Pod
from podwire.lab.container import capabilities, passwd
from podwire.lab.container.plan import ContainerPlan, Execute, Mount, Program
from podwire.lab.container.process import DEFAULT_PATH
from podwire.lab.images.environment import ConfigurationError, Sources
from podwire.lab.images.manifest import RunConfig
from podwire.lab.images.resolver import Resolution
from podwire.lab.images.store import StoredImage
from podwire.lab.kubelet.node_files import NodeFiles
from podwire.lab.kubelet.pod_plan import Machine, PodPlace, container_plan, expanded, identity

PASSWD = "root:*:0:0:root:/root:/bin/sh\nwww-data:*:33:34:www-data:/var/www:/x\n"
FULL = Machine(PASSWD, "0 0 1\n1 100000 65535\n", "0 0 1\n1 100000 65535\n", "10.96.0.1")
SINGLE = Machine(PASSWD, "0 1000 1\n", "0 1000 1\n", "10.96.0.1")
PLACE = PodPlace(Path("/f"), Path("/n"), "web", NodeFiles(Path("/node"), Path("/host"), "node-1"))
FOUND = Resolution(Execute(arguments=("x",)), "id")


def pod(container: dict[str, Any], **spec: Any) -> tuple[Pod, Container]:
    whole = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", **container}], **spec}}
    made = msgspec.convert(whole, Pod)
    return made, made.spec.containers[0]


def planned(container: dict[str, Any], **spec: Any) -> ContainerPlan:
    made, first = pod(container, **spec)
    whole, values = expanded(made, first, Sources(), FULL)
    return container_plan(made, whole, FOUND, values, PLACE, FULL)


def test_variables_with_dashes_and_dots_reach_what_busyboxs_shell_starts() -> None:
    found = Resolution(Execute(arguments=("ash", "-c", "env"), file="/.busybox/ash"), "id", bash="/usr/bin/bash")

    def program(name: str, resolved: Resolution = found) -> Program:
        made, first = pod({"env": [{"name": name, "value": "x"}]})
        whole, values = expanded(made, first, Sources(), FULL)
        return container_plan(made, whole, resolved, values, PLACE, FULL).program

    assert program("A_b1") == found.program
    for name in ("a-b", "a.b", "1a", "ä"):
        assert program(name) == Execute(arguments=("sh", "-c", "env"), file="/usr/bin/bash")
    assert program("a-b", FOUND) == FOUND.program


def test_users_and_groups() -> None:
    who = identity(*pod({"securityContext": {"runAsUser": 33}}, securityContext={"runAsUser": 5, "fsGroup": 7}), FULL)
    assert (who.user, who.group, who.groups) == (33, 34, (7,)), "the group of the user's entry"
    assert identity(*pod({}, securityContext={"runAsUser": 5, "runAsGroup": 6}), FULL).group == 6
    assert identity(*pod({}), FULL).user == 0


@pytest.mark.parametrize(
    ("context", "machine", "message"),
    [
        ({"runAsUser": 33}, SINGLE, "runAsUser 33 does not exist in this world"),
        ({"runAsUser": 70000}, FULL, "runAsUser 70000 does not exist"),
        ({"privileged": True}, FULL, "privileged"),
        ({"runAsNonRoot": True}, FULL, "runAsNonRoot"),
        ({"capabilities": {"add": ["SYS_ADMIN"]}}, FULL, "SYS_ADMIN is not given in a world"),
        ({"capabilities": {"add": ["FLY"]}}, FULL, "FLY is unknown"),
    ],
)
def test_what_a_world_does_not_give(context: dict[str, Any], machine: Machine, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        identity(*pod({"securityContext": context}), machine)


def test_capabilities_of_a_pod() -> None:
    assert capabilities.choose((), ()) == capabilities.DEFAULT
    assert capabilities.choose(("NET_ADMIN",), ("ALL",)) == {"NET_ADMIN"}
    assert capabilities.choose((), ("CAP_CHOWN",)) == capabilities.DEFAULT - {"CHOWN"}
    assert capabilities.choose(("ALL",), ()) == capabilities.GRANTABLE


def test_what_every_container_finds() -> None:
    plan = planned({"workingDir": "/w", "securityContext": {"runAsUser": 33}, "tty": True})
    wanted = {"HOME": "/var/www", "HOSTNAME": "web", "KUBERNETES_SERVICE_HOST": "10.96.0.1", "TERM": "xterm"}
    assert wanted.items() <= plan.environment.items()
    assert plan.folder == "/w"
    assert [(mount.source, mount.target) for mount in plan.mounts] == [
        ("/f/etc/hosts", "/etc/hosts"),
        ("/f/etc/resolv.conf", "/etc/resolv.conf"),
        ("/f/containers/c/termination-log", "/dev/termination-log"),
    ]


@pytest.mark.parametrize(("machine", "reported"), [(SINGLE, True), (FULL, False)])
def test_tar_keeps_no_owners_where_there_is_one_id(machine: Machine, reported: bool) -> None:
    _, values = expanded(*pod({}), Sources(), machine)
    assert ("TAR_OPTIONS" in values) == reported


def test_arguments_are_expanded() -> None:
    settings = {"env": [{"name": "A", "value": "1"}], "command": ["sh", "$(A)"], "args": ["$(A)$(B)", "$$(A)"]}
    container, _ = expanded(*pod(settings), Sources(), FULL)
    assert (container.command, container.args) == (("sh", "1"), ("1$(B)", "$(A)"))


def test_mounts_of_volumes() -> None:
    kinds = [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "x"}}]
    where = [{"name": "e", "mountPath": "/e", "subPath": "s"}, {"name": "c", "mountPath": "/etc/hosts"}]
    mounts = {mount.target: mount for mount in planned({"volumeMounts": where}, volumes=kinds).mounts}
    assert mounts["/e"].sub_path == "s"
    assert not mounts["/e"].read_only
    assert mounts["/etc/hosts"].source == "/f/volumes/c", "a pod's own file wins"
    assert mounts["/etc/hosts"].read_only
    with pytest.raises(ConfigurationError, match='no volume "e"'):
        planned({"volumeMounts": where})


def test_busyboxs_programs_come_first_and_a_pods_own_path_wins() -> None:
    made, first = pod({})
    found = Resolution(Execute(arguments=("x",)), "id", applets="/node/busybox", applets_first=True)
    plan = container_plan(made, first, found, {}, PLACE, FULL)
    assert plan.environment["PATH"] == f"/.busybox:{DEFAULT_PATH}"
    assert Mount(source="/node/busybox", target="/.busybox", read_only=True) in plan.mounts
    assert container_plan(made, first, found, {"PATH": "/own"}, PLACE, FULL).environment["PATH"] == "/own"
    plain = planned({})
    assert plain.environment["PATH"] == DEFAULT_PATH
    assert "/.busybox" not in {mount.target for mount in plain.mounts}


def test_restart_policies_of_init_containers() -> None:
    made = msgspec.convert(
        {
            "spec": {
                "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
                "containers": [{"name": "c"}],
                "restartPolicy": "Never",
            }
        },
        Pod,
    )
    plans = [
        container_plan(made, entry, FOUND, {}, PLACE, FULL)
        for entry in (*made.spec.init_containers, *made.spec.containers)
    ]
    assert [(plan.restart, plan.init) for plan in plans] == [("Never", True), ("Always", True), ("Never", False)]


def test_accounts_hold_no_people_and_no_passwords() -> None:
    text = (
        "root:x:0:0:Root,,555:/root:/bin/bash\nann:x:1000:1000:Ann:/home/ann:/bin/sh\nnobody:x:65534:65534::/:/x\nbad\n"
    )
    assert passwd.system_accounts(text) == "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/:/x\n"
    assert passwd.system_accounts("adm:x:4:ann\nann:x:1000:\n") == "adm:*:4:\n"


IMAGE = StoredImage(
    id="sha256:" + "0" * 64,
    architecture="amd64",
    format="oci",
    size=0,
    layers=0,
    loaded="",
    config=RunConfig(user="web", env=("PATH=/app", "A=image", "B=image"), working_dir="/www", stop_signal="SIGQUIT"),
    passwd="web:x:33:34::/home/web:/bin/sh\nother:x:40:41::/o:/bin/sh\n",
    group="staff:x:50:web\n",
)


def of_image(container: dict[str, Any], **spec: Any) -> ContainerPlan:
    made, first = pod(container, **spec)
    whole, values = expanded(made, first, Sources(), FULL)
    found = Resolution(Execute(arguments=("x",)), IMAGE.id, image=IMAGE, image_root="/store/x")
    return container_plan(made, whole, found, values, PLACE, FULL)


def test_what_an_image_says_counts_where_the_pod_says_nothing() -> None:
    plan = of_image({"env": [{"name": "B", "value": "pod $(A)"}]})
    assert (plan.environment["PATH"], plan.environment["A"], plan.environment["B"]) == ("/app", "image", "pod $(A)")
    assert (plan.environment["HOME"], plan.folder, plan.stop_signal) == ("/home/web", "/www", 3)
    assert (plan.identity.user, plan.identity.group, plan.identity.groups) == (33, 34, (50,))
    assert (plan.image_id, plan.image_root) == (IMAGE.id, "/store/x")


def test_what_the_pod_says_counts_before_the_image() -> None:
    plan = of_image({"workingDir": "/w", "securityContext": {"runAsUser": 40}}, securityContext={"fsGroup": 7})
    assert (plan.folder, plan.environment["HOME"]) == ("/w", "/o")
    assert (plan.identity.user, plan.identity.group, plan.identity.groups) == (40, 41, (7,))


def test_the_path_of_programs_without_an_image() -> None:
    assert planned({}).environment["PATH"].startswith("/usr/local/sbin:")
    assert planned({}).stop_signal == 15


def test_an_images_user_and_run_as_non_root() -> None:
    strict = {"securityContext": {"runAsNonRoot": True}}
    with pytest.raises(ConfigurationError, match=r"image has non-numeric user \(web\), cannot verify user is non-root"):
        identity(*pod(strict), FULL, IMAGE)
    root = msgspec.structs.replace(IMAGE, config=RunConfig())
    with pytest.raises(ConfigurationError, match="image will run as root"):
        identity(*pod(strict), FULL, root)
    assert identity(*pod(strict), FULL, msgspec.structs.replace(IMAGE, config=RunConfig(user="33"))).user == 33
    with pytest.raises(ConfigurationError, match="the image's user 33 does not exist in this world"):
        identity(*pod({}), SINGLE, IMAGE)


def test_a_path_within_a_volume_may_name_variables() -> None:
    def mounted(expression: str) -> str:
        container = {
            "env": [
                {"name": "POD", "value": "web-1"},
                {"name": "UP", "value": "../x"},
                {"name": "ROOT", "value": "/x"},
            ],
            "volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": expression}],
        }
        plan = planned(container, volumes=[{"name": "v", "emptyDir": {}}])
        return next(mount.sub_path for mount in plan.mounts if mount.target == "/v")

    assert mounted("logs/$(POD)") == "logs/web-1"
    for expression, message in (("$(NONE)", 'missing value for "NONE"'), ("$(ROOT)", "absolute"), ("$(UP)", "'..'")):
        with pytest.raises(ConfigurationError, match=message):
            mounted(expression)


def test_names_of_variables_are_kept_as_they_are() -> None:
    env = planned({"env": [{"name": "a-b.c", "value": "1"}, {"name": "REF", "value": "$(a-b.c)"}]}).environment
    assert (env["a-b.c"], env["REF"]) == ("1", "1")
