from typing import Any

import msgspec
import pytest

from podwire.install import balancer_cleanup, installation, restore_pods, revisions
from podwire.install.changes import changes, removed
from podwire.install.flags import unset
from podwire.install.manifests.objects import manifests
from podwire.install.pod_states import PodState
from podwire.install.revisions import KEPT, Revisions, of_settings
from podwire.install.settings import Settings, SettingsError, own_version
from podwire.kube.services import Service
from tests.install.cluster import SETTINGS


def changed(**values: Any) -> Settings:
    return msgspec.structs.replace(SETTINGS, **values)


def test_a_change_is_one_line_for_each_field() -> None:
    more = changed(image="podwire:2", agent_flags=("--allow-external-ips",), pod_monitors=True, dns_addresses=())
    lines = list(changes(manifests(SETTINGS), manifests(more)))
    path = "change daemonset kube-system/podwire-agent: spec.template.spec.containers[agent]"
    assert f"{path}.image: podwire:0.1.0 -> podwire:2" in lines
    assert f"{path}.args: nothing -> --allow-external-ips" in lines
    assert "create podmonitor kube-system/podwire-dns" in lines
    assert "delete service kube-system/kube-dns" in lines
    assert list(changes(manifests(SETTINGS), manifests(SETTINGS))) == []
    assert [str(one) for one in removed(manifests(SETTINGS), manifests(more))] == ["service kube-system/kube-dns"]


def test_revisions_are_read_as_they_were_written() -> None:
    known = revisions.added({}, of_settings(SETTINGS))
    assert revisions.added(known, of_settings(SETTINGS)) == known, "the same again is no new one"
    known = revisions.added(known, of_settings(changed(overlay="vxlan")))
    assert revisions.read(revisions.config_map(known).body["data"]) == known
    assert (list(known), revisions.newest(known)) == ([1, 2], of_settings(changed(overlay="vxlan")))
    with pytest.raises(SettingsError, match="those that are kept are 1, 2"):
        revisions.chosen(known, 3)
    with pytest.raises(SettingsError, match="podwire-revisions cannot be read"):
        revisions.read({"1": "{}"})


def test_the_last_revisions_are_kept_with_their_numbers() -> None:
    known: Revisions = {}
    for number in range(KEPT + 3):
        known = revisions.added(known, of_settings(changed(dns_replicas=number + 1)))
    assert list(known) == list(range(4, KEPT + 4))
    size = sum(map(len, revisions.config_map(known).body["data"].values()))
    assert size < 200_000, "a ConfigMap has at most 1 MiB"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("podwire:0.0.9", f"podwire:{own_version()}"),
        ("registry.example.org:5000/net/podwire:0.0.9", f"registry.example.org:5000/net/podwire:{own_version()}"),
        ("registry.example.org/podwire:stable", None),
        ("registry.example.org/podwire@sha256:abc", None),
    ],
)
def test_an_upgrade_takes_the_same_image_of_this_release(image: str, expected: str | None) -> None:
    known = revisions.added({}, of_settings(changed(version="0.0.9", image=image, overlay="vxlan")))
    if expected is None:
        with pytest.raises(SettingsError, match="--image"):
            installation.upgraded(known, {})
        assert installation.upgraded(known, {"image": "podwire:x"}).settings.image == "podwire:x"
    else:
        settings = installation.upgraded(known, {}).settings
        assert (settings.image, settings.version, settings.overlay) == (expected, own_version(), "vxlan")


def test_the_ranges_of_a_new_pool_are_ranges_of_pods() -> None:
    known = revisions.added({}, of_settings(changed(version=own_version(), pod_cidrs=("10.244.0.0/16",))))
    pools = ("10.244.0.0/16", "10.250.0.0/16:25@pool=small")
    assert installation.upgraded(known, {"pod_pools": pools}).settings.pod_cidrs == ("10.244.0.0/16", "10.250.0.0/16")
    red = {"namespace_pools": ("red=10.60.0.0/16:26",)}
    assert installation.upgraded(known, red).settings.pod_cidrs == ("10.244.0.0/16", "10.60.0.0/16")
    given = {"pod_pools": pools, "pod_cidrs": ("10.0.0.0/8",)}
    assert installation.upgraded(known, given).settings.pod_cidrs == ("10.0.0.0/8",)


def test_an_upgrade_needs_an_installation() -> None:
    with pytest.raises(SettingsError, match="podwire install"):
        installation.upgraded({}, {})


def test_a_pod_that_restores_a_node_has_a_valid_name() -> None:
    names = {restore_pods.name(node) for node in ("a", "a" * 63, "a" * 64, f"{'b' * 43}.example.org")}
    assert len(names) == 4
    for name in names:
        assert len(name) <= 63
        assert name[-1].isalnum()
    pod = restore_pods.restore_pod("a", "podwire:1").body["spec"]
    assert (pod["nodeName"], pod["containers"][0]["image"]) == ("a", "podwire:1")
    assert pod["containers"][0]["args"] == ["cni", "remove", "--state-dir=/node/var/lib/podwire"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Running"}, None),
        ({"phase": "Succeeded"}, ""),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"message": "tables: denied\n"}}}]},
            "tables: denied",
        ),
    ],
)
def test_the_outcome_of_such_a_pod(status: dict[str, Any], expected: str | None) -> None:
    assert restore_pods.outcome(msgspec.convert({"status": status}, PodState)) == expected


def test_an_upgrade_within_a_release_keeps_the_image() -> None:
    known = revisions.added(
        {}, of_settings(changed(version=own_version(), image="registry.example.org/podwire@sha256:a"))
    )
    settings = installation.upgraded(known, {"overlay": "vxlan"}).settings
    assert (settings.image, settings.overlay) == ("registry.example.org/podwire@sha256:a", "vxlan")


def test_another_way_between_nodes_takes_three_steps() -> None:
    known = revisions.added({}, of_settings(changed(version=own_version())))

    def way(known: Revisions, **given: Any) -> list[tuple[str, str]]:
        found = installation.steps(known, installation.upgraded(known, given))
        return [(one.settings.overlay, one.settings.overlay_accept) for one in found]

    assert way(known, overlay="vxlan") == [("direct", "vxlan"), ("vxlan", "direct"), ("vxlan", "")]
    assert way(known, overlay="none") == [("none", "")]
    assert way(known, mtu=1400) == [("direct", "")]
    assert way(known, overlay="vxlan", overlay_accept="direct") == [("vxlan", "direct")], "the user knows the steps"
    stopped = revisions.added(known, installation.steps(known, installation.upgraded(known, {"overlay": "vxlan"}))[0])
    assert way(stopped, overlay="vxlan") == [("vxlan", "direct"), ("vxlan", "")], "it goes on where it stopped"
    assert way(stopped, overlay="direct") == [("direct", "")], "or goes back"
    older = revisions.added({}, of_settings(changed(version="0.0.1", image="podwire:0.0.1")))
    assert way(older, overlay="vxlan") == [("vxlan", "")]


def test_a_setting_can_be_taken_back() -> None:
    settings = changed(version=own_version(), mtu=1400, agent_flags=("--allow-external-ips",))
    known = revisions.added({}, of_settings(settings))
    assert installation.upgraded(known, unset(("mtu", "agent-flag"))).settings == changed(version=own_version())


def service(finalizers: list[str], load_balancer_class: str | None = None) -> Service:
    return msgspec.convert(
        {"metadata": {"finalizers": finalizers}, "spec": {"loadBalancerClass": load_balancer_class}}, Service
    )


def test_only_balancers_of_the_controller_are_released() -> None:
    own = "service.kubernetes.io/load-balancer-cleanup"
    assert balancer_cleanup.is_served(service([own]))
    assert balancer_cleanup.is_served(service(["other", own], "podwire.dev/local"))
    assert not balancer_cleanup.is_served(service([own], "example.org/cloud"))
    assert not balancer_cleanup.is_served(service(["other"]))
