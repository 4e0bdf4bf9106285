"""The document that crun gets."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from podwire.lab.container.oci_spec import Stage, Staged, config
from podwire.lab.container.plan import ContainerPlan, Execute, Identity, Mount

STAGE = Stage("/scratch/root", "/scratch/dev")


def plan(**changes: object) -> ContainerPlan:
    settings: dict[str, Any] = {
        "name": "main",
        "program": Execute(arguments=("httpd", "-f")),
        "environment": {"PATH": "/bin", "A": "b=c"},
        "folder": "/www",
        "identity": Identity(capabilities=("CHOWN", "KILL")),
    }
    return ContainerPlan(**{**settings, **changes})


def process(**changes: object) -> dict[str, Any]:
    return config(plan(**changes), STAGE)["process"]  # type: ignore[no-any-return]


def test_what_runs_where_and_with_which_variables() -> None:
    found = process()
    assert (found["args"], found["cwd"], found["terminal"]) == (["httpd", "-f"], "/www", False)
    assert found["env"] == ["PATH=/bin", "A=b=c"]
    assert process(terminal=True)["terminal"] is True


def test_root_holds_its_capabilities_and_another_user_is_bounded_by_them() -> None:
    names = ["CAP_CHOWN", "CAP_KILL"]
    root = process()["capabilities"]
    assert (root["bounding"], root["effective"], root["permitted"]) == (names, names, names)
    other = process(identity=Identity(user=33, group=34, groups=(34, 44), capabilities=("CHOWN", "KILL")))
    assert (other["capabilities"]["bounding"], other["capabilities"]["effective"]) == (names, [])
    assert other["capabilities"]["inheritable"] == other["capabilities"]["ambient"] == []
    assert other["user"] == {"uid": 33, "gid": 34, "additionalGids": [44], "umask": 0o022}


def test_new_privileges_are_allowed_unless_the_pod_says_no() -> None:
    assert process()["noNewPrivileges"] is False
    assert process(identity=Identity(no_new_privileges=True))["noNewPrivileges"] is True


def test_the_root_is_read_only_where_the_pod_says_so() -> None:
    assert config(plan(), STAGE)["root"] == {"path": "/scratch/root", "readonly": False}
    assert config(plan(read_only_root=True), STAGE)["root"]["readonly"] is True


def mounts(stage: Stage) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in config(plan(), stage)["mounts"]}


def test_system_mounts_give_no_way_to_the_host() -> None:
    found = mounts(STAGE)
    assert {"nosuid", "noexec", "nodev"} <= set(found["/proc"]["options"])
    assert {"ro", "nosuid", "noexec", "nodev"} <= set(found["/sys"]["options"])
    assert {"ro", "nosuid", "noexec", "nodev"} <= set(found["/sys/fs/cgroup"]["options"])
    assert (found["/dev"]["type"], found["/dev"]["source"]) == ("bind", "/scratch/dev")
    assert mounts(Stage("/r", "/d", sysfs=False))["/sys"]["type"] == "tmpfs"


def test_volumes_are_attached_outer_ones_first_and_never_with_devices_or_setuid() -> None:
    staged = (Staged("/s/1", "/a/b/c"), Staged("/s/2", "/a", read_only=True), Staged("/s/3", "/a/b/"))
    found = mounts(Stage("/r", "/d", staged))
    assert list(found)[-3:] == ["/a", "/a/b/", "/a/b/c"]
    assert all({"nosuid", "nodev"} <= set(found[target]["options"]) for target in ("/a", "/a/b/c"))
    assert ("ro" in found["/a"]["options"], "ro" in found["/a/b/c"]["options"]) == (True, False)


def test_namespaces_and_what_is_hidden() -> None:
    linux = config(plan(), STAGE)["linux"]
    assert linux["namespaces"] == [{"type": "pid"}, {"type": "mount"}, {"type": "cgroup"}]
    assert {"/proc/keys", "/sys/firmware"} <= set(linux["maskedPaths"])
    assert "/proc/sys" in linux["readonlyPaths"]
    assert "resources" not in linux
    beside = config(plan(), Stage("/r", "/d", beside=7))["linux"]["namespaces"]
    assert beside[0] == {"type": "pid", "path": "/proc/7/ns/pid"}


def test_kernel_file_systems_at_more_places_are_read_only_and_masked() -> None:
    shown = plan(mounts=(Mount(target="/host/proc", filesystem="proc"), Mount(target="/host/sys", filesystem="sysfs")))
    made = config(shown, STAGE)
    found = {mount["destination"]: mount for mount in made["mounts"]}
    assert found["/host/proc"]["type"] == "proc"
    assert "ro" in found["/host/proc"]["options"]
    assert {"/host/proc/kcore", "/host/sys/firmware", "/proc/kcore"} <= set(made["linux"]["maskedPaths"])
    without = {mount["destination"]: mount for mount in config(shown, replace(STAGE, sysfs=False))["mounts"]}
    assert without["/host/sys"]["type"] == "tmpfs"
