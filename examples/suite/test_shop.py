"""A test suite for the NetworkPolicies of the shop: each arrow of its picture is open, what it leaves out is closed."""

from pathlib import Path

import pytest

from podwire.testing import World

SHOP = Path(__file__).parents[1] / "shop"

FRONTEND, BACKEND, DATABASE = "shop/deploy/frontend", "shop/deploy/backend", "shop/deploy/database"
BROWSER, PROMETHEUS = "visitors/deploy/browser", "monitoring/deploy/prometheus"


@pytest.fixture(scope="module")
def shop(world: World) -> World:
    world.apply(SHOP)
    world.wait()
    return world


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (BROWSER, "frontend.shop:80"),
        (FRONTEND, "backend:8080"),
        (BACKEND, "database:5432"),
        (PROMETHEUS, "backend.shop:9090"),
    ],
)
def test_what_the_shop_needs_is_open(shop: World, source: str, target: str) -> None:
    assert shop.allowed(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (BROWSER, "backend.shop:8080"),
        (BROWSER, "database.shop:5432"),
        (FRONTEND, "backend:9090"),
        (FRONTEND, "database:5432"),
        (DATABASE, "backend:8080"),
        (PROMETHEUS, "backend.shop:8080"),
    ],
)
def test_everything_else_is_closed(shop: World, source: str, target: str) -> None:
    assert shop.denied(source, target)


def test_a_visitor_without_the_label_stands_before_a_closed_door(shop: World) -> None:
    assert shop.allowed(BROWSER, "frontend.shop:80")
    shop.kubectl("label", "namespace", "visitors", "may-enter-")
    try:
        assert shop.denied(BROWSER, "frontend.shop:80")
    finally:
        shop.kubectl("label", "namespace", "visitors", "may-enter=shop")
