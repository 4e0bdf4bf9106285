"""The page: nothing from elsewhere, names are data and never markup; and what a real browser makes of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from podwire.insight.reach.exposure import Exposure
from podwire.insight.reach.page.page import page
from podwire.insight.reach.report import Connection, PortsLine, Report, WorkloadLine, report
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.sources.reading import read
from tests.insight.reach.page import browser

HOSTILE = '</script><script>document.title="hacked"</script><img src=x onerror=document.title="hacked">&\u2028@SCRIPT@'


def hostile() -> Report:
    workload = WorkloadLine(f"shop/{HOSTILE}", HOSTILE, 1, HOSTILE)
    ports = (PortsLine("TCP", ((80, 80),)),)
    one = Connection((f"outside {HOSTILE}",), (workload.name,), HOSTILE, workload.name, "TCP 80", ports)
    way = Exposure("Ingress", HOSTILE, HOSTILE, (HOSTILE,), HOSTILE)
    return Report((workload,), (one,), (), (HOSTILE,), (way,))


def shop() -> Report:
    return report(snapshot_of(read(["examples/shop"])))


def data(text: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    decoded: dict[str, object] = json.loads(found[1])
    return decoded


def test_names_cannot_end_the_script_they_are_in() -> None:
    text = page(hostile())
    assert data(text)["names"] == [f"shop/{HOSTILE}", f"outside {HOSTILE}"]
    assert text.count("</script>") == 2
    assert "<img" not in text


def test_the_policy_of_the_page_admits_its_own_script_and_style_alone() -> None:
    text = page(shop())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy[1].startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_sets_of_names_are_written_once() -> None:
    found = data(page(shop()))
    assert len({json.dumps(one) for one in found["sets"]}) == len(found["sets"])  # type: ignore[attr-defined, arg-type]


@pytest.mark.long
@pytest.mark.skipif(not browser.program(), reason=browser.MISSING)
async def test_a_browser_draws_searches_and_filters(tmp_path: Path) -> None:
    file = tmp_path / "reach.html"
    file.write_text(page(shop()))
    async with browser.opened(file, tmp_path / "profile") as shown:
        assert await shown.value("[...document.querySelectorAll('.title')].map(e => e.textContent).sort().join()") == (
            "kube-system,monitoring,shop,visitors"
        )
        labels = "[...document.querySelectorAll('.edge text')].map(e => e.textContent).sort().join()"
        assert await shown.value(labels) == "TCP 5432,TCP 80,TCP 8080,TCP 9090"
        await shown.write("search", "database")
        await shown.until("document.querySelectorAll('.node').length === 2")
        assert await shown.value("document.querySelectorAll('#rows tr').length") == 2  # from the backend, and to DNS
        await shown.write("search", " ")
        await shown.write("port", "9090")
        await shown.until(f"{labels} === 'TCP 9090'")
        await shown.value("document.querySelector('[data-key=\"w1\"]').dispatchEvent(new MouseEvent('click'))")
        detail = await shown.value("document.getElementById('detail').textContent")
        assert "shop/backend" in detail
        assert "monitoring/prometheus TCP 9090" in detail
        await shown.value("document.getElementById('free').click()")
        await shown.until("document.querySelectorAll('.edge.free').length > 0")
        assert shown.console == []


@pytest.mark.long
@pytest.mark.skipif(not browser.program(), reason=browser.MISSING)
async def test_a_browser_takes_no_markup_from_names(tmp_path: Path) -> None:
    file = tmp_path / "reach.html"
    file.write_text(page(hostile()))
    async with browser.opened(file, tmp_path / "profile") as shown:
        assert await shown.value("document.querySelectorAll('.node').length") == 2
        assert await shown.value("document.querySelector('#rows td').textContent") == HOSTILE
        assert await shown.value("document.querySelector('#ways td').textContent") == HOSTILE
        assert await shown.value("document.querySelectorAll('img').length") == 0
        assert await shown.value("document.title") == "Who can reach whom"
        assert shown.console == []
