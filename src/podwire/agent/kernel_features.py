"""What this node's kernel lacks, in log, probe and metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence

from podwire.component.metrics import Family
from podwire.kernel import feature_check
from podwire.kernel.feature_check import FeatureResult

log = logging.getLogger(__name__)


class KernelFeatures:
    """The results of one check; none before it."""

    def __init__(self, check: Callable[[], Sequence[FeatureResult]] = feature_check.check) -> None:
        self._check = check
        self._results: Sequence[FeatureResult] = ()

    async def check(self) -> None:
        """Try all features beside the other work of the start, and log those that do not work."""
        self._results = await asyncio.to_thread(self._check)
        for result in self._results:
            if not result.ok:
                log.log(logging.ERROR if result.essential else logging.WARNING, "%s", result)

    def obstacles(self) -> Iterator[str]:
        """Return what is missing that no pod's network works without."""
        return (str(result) for result in self._results if result.essential and not result.ok)

    def families(self) -> Iterator[Family]:
        """Return the metric."""
        samples = tuple(({"feature": result.name}, float(result.ok)) for result in self._results)
        yield Family("podwire_kernel_feature", "1 where the kernel has the feature.", "gauge", samples)
