from pathlib import Path

import pytest

from tests.pods.plugins import compiled_by_cc, python_plugin


@pytest.fixture(scope="module", params=[python_plugin, compiled_by_cc])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("plugin") / "bin/podwire"
    request.param(target)
    return target
