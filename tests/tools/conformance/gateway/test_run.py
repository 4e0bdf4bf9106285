import subprocess
from pathlib import Path

import pytest
from tools.conformance.archive import Settings
from tools.conformance.gateway.catalog import Profile
from tools.conformance.gateway.run import REPORT, TRANSCRIPT, Plan, await_class, command, ending, run
from tools.conformance.world import Client

from podwire.apiserver.definitions import bundle
from tools.conformance import programs
from tools.conformance.gateway import images

PLAN = Plan(gateway_class="podwire", profiles=(Profile("GATEWAY-HTTP", (), ()), Profile("GATEWAY-TLS", (), ())))


def test_only_what_is_chosen_is_a_flag(tmp_path: Path) -> None:
    call = command(tmp_path / "gateway.test", PLAN, tmp_path)
    assert "-conformance-profiles=GATEWAY-HTTP,GATEWAY-TLS" in call
    assert f"-report-output={tmp_path / REPORT}" in call
    assert not any(flag.startswith(("-supported-features", "-skip-tests", "-timeout-config")) for flag in call)


def test_waits_are_shortened_for_all_conditions(tmp_path: Path) -> None:
    plan = Plan(gateway_class="podwire", profiles=(), wait_seconds=20, skipped=("A", "B"))
    call = command(tmp_path / "gateway.test", plan, tmp_path)
    assert "-skip-tests=A,B" in call
    (waits,) = (flag for flag in call if flag.startswith("-timeout-config-overrides="))
    assert "NamespacesMustBeReady:20;" in waits
    assert "RequestTimeout" not in waits


def test_a_run_returns_how_tests_ended_and_keeps_the_logs_of_failures(tmp_path: Path) -> None:
    suite = tmp_path / "gateway.test"
    suite.write_text(
        "#!/bin/sh\n"
        'echo "=== RUN   TestGatewayAPI/A"\n'
        'echo "    a.go:1: config $KUBECONFIG"\n'
        'echo "--- FAIL: TestGatewayAPI/A (1.00s)"\n'
        'echo "--- PASS: TestGatewayAPI/B (1.00s)"\n'
        "exit 1\n"
    )
    suite.chmod(0o755)
    shown: list[str] = []
    ended = run(Client(tmp_path / "kubeconfig"), suite, PLAN, tmp_path, lambda _, line: shown.append(line.name))
    assert [(line.name, line.state) for line in ended] == [("A", "failed"), ("B", "passed")]
    assert shown == ["A", "B"]
    assert f"config {tmp_path / 'kubeconfig'}" in (tmp_path / "A.log").read_text()
    assert not (tmp_path / "B.log").exists()


@pytest.mark.parametrize("image", ["echo-basic", "coredns"])
def test_images_have_all_names_that_manifests_use(image: str, tmp_path: Path) -> None:
    manifests = [
        "  image: r/g/echo-basic:v1\n",
        "image: r/g/echo-basic:v2\n image: r/coredns:1\n",
        "image: r/echo:v1\n",
    ]
    names = images.named(manifests, image)
    assert names == {"echo-basic": ("r/g/echo-basic:v1", "r/g/echo-basic:v2"), "coredns": ("r/coredns:1",)}[image]
    built = images.one_program(names, tmp_path / image)
    assert built.settings == Settings(entrypoint=(f"/{image}",))


def test_the_suite_is_of_the_release_of_the_definitions() -> None:
    """The suite refuses definitions of another release."""
    release = programs.required(images.MODULE, "gateway")
    assert programs.required("sigs.k8s.io/gateway-api", "gateway") == release
    found = {
        definition["metadata"]["annotations"]["gateway.networking.k8s.io/bundle-version"]
        for definition in bundle.definitions("standard")
    }
    assert found == {release}


def test_the_class_is_awaited_where_the_suite_runs(tmp_path: Path) -> None:
    prefix = tmp_path / "outside"
    prefix.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/call\nexit $STATUS\n')
    prefix.chmod(0o755)
    client = Client(tmp_path / "kubeconfig", (str(prefix),), {"STATUS": "0"})
    await_class(client, "podwire")
    call = (tmp_path / "call").read_text()
    assert f"--kubeconfig={tmp_path / 'kubeconfig'} wait --for=condition=Accepted gatewayclass/podwire" in call
    with pytest.raises(subprocess.CalledProcessError):
        await_class(Client(tmp_path / "kubeconfig", (str(prefix),), {"STATUS": "1"}), "podwire")


def test_why_the_suite_ended_is_in_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / TRANSCRIPT).write_text("first\n" + "line\n" * 20 + "FAIL\n")
    assert ending(tmp_path)[-1] == "FAIL"
    assert "first" not in ending(tmp_path)
