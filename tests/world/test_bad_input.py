"""Bad input gets one clear message with the remedy, a non-zero exit, and nothing else breaks."""

import socket
from pathlib import Path

import pytest

from podwire.cli import main
from tests.world.harness import PODWIRE, Home, Result, World

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: bad}
spec:
  podSelector: %s
  egress:
  - to: [{ipBlock: {cidr: "%s"}}]
    ports: [{port: %s, endPort: %s}]
"""
GOOD = ("{}", "10.0.0.0/8", 80, 90)


def refused(result: Result, *words: str) -> None:
    assert result.returncode != 0
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("kind: Pod\n  bad: [", ("error parsing",)),
        ("apiVersion: v1\nkind: Pood\nmetadata: {name: a}", ("no matches for kind", "Pood")),
        (POLICY % ("{}", "10.0.0.0/33", 80, 90), ("spec.egress[0].to[0].ipBlock.cidr", "10.0.0.0/33")),
        (POLICY % ("{}", "10.0.0.0/8", 90, 80), ("spec.egress[0].ports[0].endPort", "port")),
        (
            POLICY % ("{matchExpressions: [{key: a, operator: Near}]}", "10.0.0.0/8", 80, 90),
            ("spec.podSelector.matchExpressions[0].operator", "Near"),
        ),
        (POLICY.replace("podSelector", "podSelecter") % GOOD, ("unknown field", "podSelecter")),
    ],
)
def test_manifests_are_refused_by_name_of_the_field(quarter: World, manifest: str, words: tuple[str, ...]) -> None:
    refused(quarter.kubectl("apply", "-f", "-", stdin=manifest, check=False), *words)
    quarter.apply(POLICY % GOOD)
    quarter.kubectl("delete", "networkpolicy", "bad")


@pytest.mark.long
def test_up_reports_manifests_that_cannot_be_applied(fresh_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("kind: Pod\n  bad: [")
    result = fresh_home.podwire("up", "--name", "a", "-f", str(path), check=False)
    try:
        refused(result, "not all of the manifests")
    finally:
        fresh_home.podwire("down", "--name", "a")


def test_a_missing_manifest_is_named(fresh_home: Home) -> None:
    result = fresh_home.podwire("up", "--name", "a", "-f", "absent.yaml", check=False)
    refused(result, "absent.yaml")
    assert fresh_home.podwire("status").stdout.startswith("No world")


def test_a_port_that_is_taken(fresh_home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = fresh_home.podwire("up", "--api-port", str(port), check=False)
    refused(result, f"--api-port {port}", "taken", "choose another")
    assert list((fresh_home.folder / "state" / "worlds").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--nodes", "0"], ("--nodes 0", "1 to")),
        (["up", "--name", "No Name"], ("--name No Name", "lower case")),
        (["down", "--name", "absent"], ("no world 'absent'", "podwire up")),
        (["exec", "--name", "absent", "node-1", "--", "true"], ("no world 'absent'",)),
        (["up", "--zones", "a,,b"], ("--zones", "a,b,c")),
        (["up", "--lb-pool", "172.18.0.0/24"], ("--lb-pool 172.18.0.0/24", "API server", "choose")),
        (["up", "--service-node-port-range", "32767-30000"], ("--service-node-port-range", "30000-32767")),
        (["up", "--publish", "8080"], ("--publish 8080", "8080=shop/web:80")),
        (["outside", "--name", "absent", "--", "true"], ("no world 'absent'",)),
        (["outside", "--"], ("outside", "podwire outside -- curl")),
        (["up", "--overlay", "carrier-pigeon"], ("carrier-pigeon", "vxlan")),
    ],
)
def test_arguments_that_cannot_be(
    fresh_home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: tuple[str, ...],
) -> None:
    """In this process: eleven starts of Python would prove no more."""
    for name, value in fresh_home.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    status = ended.value.code
    assert isinstance(status, int)
    refused(Result(("podwire", *arguments), status, *capsys.readouterr()), *words)


def test_user_namespaces_that_are_switched_off(fresh_home: Home) -> None:
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec "
    result = fresh_home.run("unshare", "-Ur", "sh", "-c", f"{forbid}{PODWIRE} up", check=False)
    refused(result, "user.max_user_namespaces", "sysctl -w")


def test_user_namespaces_that_the_host_forbids(fresh_home: Home) -> None:
    """A chroot forbids them as seccomp and AppArmor do: by EPERM (clone(2))."""
    root = fresh_home.folder / "root"
    root.mkdir()
    enter = f"mount --rbind / {root} && exec chroot {root} {PODWIRE} up"
    result = fresh_home.run("unshare", "-Urm", "sh", "-c", enter, check=False)
    refused(result, "forbids user namespaces", "start podwire as root")


def test_a_missing_nftables_library(fresh_home: Home) -> None:
    hide = "for f in /usr/lib/*/libnftables.so.1; do mount --bind /dev/null $f; done; exec "
    result = fresh_home.run("unshare", "-Urm", "sh", "-c", f"{hide}{PODWIRE} up", check=False)
    refused(result, "libnftables", "apt-get install nftables")


def test_targets_that_are_not_there(quarter: World) -> None:
    refused(execute(quarter, "nowhere", "true"), "nowhere", "node-1")
    rows = quarter.home.podwire("rows", "--name", quarter.name, "policy", "--node", "node-9", check=False)
    refused(rows, "node-9")
    assert execute(quarter, "node-1", "no-such-program").returncode == 127
    assert execute(quarter, "node-1", "true").returncode == 0
    outside = quarter.home.podwire("outside", "--name", quarter.name, "--", "sh", "-c", "cat; exit 7", check=False)
    assert outside.returncode == 7


def execute(world: World, target: str, program: str) -> Result:
    return world.home.podwire("exec", "--name", world.name, target, "--", program, check=False)
