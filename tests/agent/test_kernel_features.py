import logging

import pytest

from podwire.agent.kernel_features import KernelFeatures
from podwire.component.metrics import exposition
from podwire.kernel.feature_check import FeatureResult

RESULTS = (
    FeatureResult("nftables", True, True, "all rules"),
    FeatureResult("reject", False, True, "refusals", "No such file", "the kernel needs nft_reject_inet"),
    FeatureResult("sctp", False, False, "Services with SCTP", "no socket", "the kernel needs sctp"),
)


async def test_what_is_missing_is_logged_by_its_weight_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    features = KernelFeatures(lambda: RESULTS)
    assert list(features.obstacles()) == []
    await features.check()
    assert [(record.levelno, record.message.partition(",")[0]) for record in caplog.records] == [
        (logging.ERROR, "reject"),
        (logging.WARNING, "sctp"),
    ]
    (obstacle,) = features.obstacles()
    assert obstacle.endswith("does not work: No such file; the kernel needs nft_reject_inet")
    text = exposition(features.families())
    assert 'podwire_kernel_feature{feature="nftables"} 1' in text
    assert 'podwire_kernel_feature{feature="reject"} 0' in text
