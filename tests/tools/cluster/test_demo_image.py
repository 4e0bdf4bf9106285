from __future__ import annotations

from pathlib import Path

import pytest
from tools.cluster.demo_image import containers_of, full_name

SHOP = Path(__file__).resolve().parents[3] / "examples" / "shop"


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("nginx:1.29", "docker.io/library/nginx:1.29"),
        ("curlimages/curl:8.16.0", "docker.io/curlimages/curl:8.16.0"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost/demo:1", "localhost/demo:1"),
        ("localhost:5000/demo:1", "localhost:5000/demo:1"),
    ],
)
def test_an_image_has_the_name_by_which_a_runtime_keeps_it(short: str, full: str) -> None:
    assert full_name(short) == full


def test_every_workload_of_the_shop_has_its_container() -> None:
    found = [one["name"] for path in sorted(SHOP.glob("*.yaml")) for one in containers_of(path.read_text())]
    assert len(found) == 5
