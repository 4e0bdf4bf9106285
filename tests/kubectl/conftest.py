"""Two releases of kubectl against the shared world."""

from __future__ import annotations

import pytest
import yaml

from tests.kubectl.kubectl import RELEASES, Kubectl
from tests.world.harness import World


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where the server does the work, not kubectl, the oldest runs with the slower checks (`OLDEST_IS_LONG`)."""
    for item in items:
        if not isinstance(item, pytest.Function) or not getattr(item.module, "OLDEST_IS_LONG", False):
            continue
        if item.callspec.params.get("kubectl") == min(RELEASES):
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="module", params=RELEASES)
def kubectl(request: pytest.FixtureRequest, cluster: World, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Each release in turn, in a new namespace named after the module of tests."""
    release: str = request.param
    module = request.module.__name__.rpartition("test_")[2]
    namespace = f"{module}-{release.replace('.', '')}"
    folder = tmp_path_factory.mktemp(namespace)
    binary = RELEASES[release]
    if not binary.exists():
        pytest.fail(f"{binary} is not there: kubectl {release} is to be had for x86_64 only")
    config = yaml.safe_load((cluster.home.folder / "kubeconfig").read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    environment = {
        **cluster.home.environment,
        "KUBECONFIG": str(folder / "kubeconfig"),
        "TMPDIR": str(folder),  # kubectl edit keeps what was refused
        "KUBECACHEDIR": str(cluster.home.folder / f"cache-{release}"),
    }
    made = Kubectl(release, binary, environment, namespace, folder)
    made("create", "namespace", namespace)
    return made
