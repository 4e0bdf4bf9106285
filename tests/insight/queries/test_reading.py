"""Captures at DNS pods that fail: the reason is shown, not an empty table for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from podwire.insight.flows.filters import Filter
from podwire.insight.flows.pod_names import NamedPod
from podwire.insight.queries.reading import LiveQueries
from podwire.kube.client import Client, ObjectList

POD = {
    "metadata": {"name": "dns-1", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
    "status": {"podIPs": [{"ip": "10.244.0.2"}]},
}


class OneDnsPod:
    """The call of a Client that lists pods."""

    async def list(self, _: Any) -> ObjectList[NamedPod]:
        return ObjectList([msgspec.convert(POD, NamedPod)])


def test_the_reason_of_a_capture_that_fails_is_reported(tmp_path: Path) -> None:
    missing = tmp_path / "no-kubeconfig"

    async def complaint() -> str:
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        flags = ("--context", "gone", "--kubeconfig", str(missing))
        queries = LiveQueries(cast("Client", OneDnsPod()), Filter(), lambda *_: True, found.set_result, flags)
        running = asyncio.create_task(queries.run())
        try:
            return await asyncio.wait_for(found, 60)
        finally:
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    text = asyncio.run(complaint())
    assert text.startswith("kube-system/dns-1: ")
    assert "no-kubeconfig" in text
