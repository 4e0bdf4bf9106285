import pytest
from tools.conformance.gomod import compose, published, requirements, staging_modules

UPSTREAM = """\
module k8s.io/kubernetes

go 1.26.0

require (
\tgithub.com/onsi/ginkgo/v2 v2.32.0
\tk8s.io/api v0.0.0
\tk8s.io/utils v0.0.0-20260626114624-be93311217bd
)

require (
\tcel.dev/expr v0.25.1 // indirect
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
)
"""


def test_staging_modules_are_those_replaced_by_folders() -> None:
    assert staging_modules(UPSTREAM) == ["k8s.io/api"]


def test_requirements_leave_staging_modules_out() -> None:
    assert requirements(UPSTREAM) == [
        "github.com/onsi/ginkgo/v2 v2.32.0",
        "k8s.io/utils v0.0.0-20260626114624-be93311217bd",
        "cel.dev/expr v0.25.1 // indirect",
    ]


def test_staging_modules_are_required_and_replaced_by_their_published_version() -> None:
    lines = compose("v1.37.2", UPSTREAM).splitlines()
    assert "\tk8s.io/kubernetes v1.37.2" in lines
    assert "\tk8s.io/api v0.37.2" in lines
    assert "\tk8s.io/api => k8s.io/api v0.37.2" in lines
    assert "go 1.26.0" in lines
    assert "godebug default=go1.26" in lines
    assert not any("v0.0.0\t" in line or line.endswith(" v0.0.0") for line in lines)


@pytest.mark.parametrize("version", ["1.37.2", "v1.37", "v1.37.2-rc.1", "master"])
def test_only_releases_are_taken(version: str) -> None:
    with pytest.raises(ValueError, match=r"a release such as v1\.37\.2"):
        published(version)
