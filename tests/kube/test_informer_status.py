import logging

import aiohttp
import pytest

from podwire.kube.access_problem import AccessProblem
from podwire.kube.client import ApiError
from podwire.kube.informer_status import InformerStatus
from podwire.kube.kinds import CONFIG_MAPS, ENDPOINT_SLICES
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Rejected


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def errors(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.levelno == logging.ERROR for record in caplog.records)


def test_a_short_absence_of_the_server_is_not_reported_and_a_long_one_is(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    status = InformerStatus(CONFIG_MAPS, clock)
    away = aiohttp.ClientError("refused")
    for seconds, reported in ((0, 0), (9, 0), (2, 1), (30, 1), (31, 2)):
        clock.now += seconds
        status.failed(away, 1.0)
        assert errors(caplog) == reported
    status.well()
    clock.now += 60
    status.failed(away, 1.0)
    assert errors(caplog) == 2


def test_wrong_credentials_are_reported_at_once_and_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    status = InformerStatus(ENDPOINT_SLICES, clock)
    for seconds, reported in ((0, 1), (1, 1), (60, 2)):
        clock.now += seconds
        status.failed(ApiError(401, "Unauthorized", "Unauthorized"), 1.0)
        assert errors(caplog) == reported
    assert "endpointslices.discovery.k8s.io: the API server does not accept the credentials" in caplog.text


def test_a_right_that_was_there_before_is_missed_loudly_only_when_that_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """A kube-apiserver that has just started refuses everything until it has read its roles."""
    clock = Clock()
    status = InformerStatus(CONFIG_MAPS, clock)
    status.listed()
    for seconds, reported in ((0, 0), (2, 0), (3, 1), (30, 1), (31, 2)):
        clock.now += seconds
        status.failed(ApiError(403, "Forbidden", "no"), 1.0)
        assert errors(caplog) == reported


def test_a_problem_is_known_until_the_server_is_followed_again_and_reported_as_it_is_logged() -> None:
    clock = Clock()
    status = InformerStatus(CONFIG_MAPS, clock, "podwire:agent")
    reported: list[AccessProblem] = []
    status.report(reported.append)
    assert not reported
    for _ in range(2):
        status.failed(ApiError(403, "Forbidden", "no"), 1.0)
    assert status.problem is not None
    assert (status.problem.reason, reported) == ("Forbidden", [status.problem])
    assert "ClusterRole podwire:agent" in str(status.problem)
    later: list[AccessProblem] = []
    status.report(later.append)
    assert later == reported, "what lasts is reported to a listener that comes later"
    status.well()
    assert status.problem is None


def test_the_age_counts_from_whatever_the_server_sent_last() -> None:
    clock = Clock()
    status = InformerStatus(CONFIG_MAPS, clock)
    assert status.age is None
    status.listed()
    clock.now += 7
    assert status.age == 7
    status.received()
    assert status.age == 0


def test_each_state_of_an_undecodable_object_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    status = InformerStatus(CONFIG_MAPS)
    first, second = (Rejected(NamespacedName("n", "a"), version, "no") for version in ("1", "2"))
    for rejected in (first, first, second):
        status.rejected([rejected])
    assert (errors(caplog), status.undecodable) == (2, 1)
    status.rejected([])
    assert status.undecodable == 0
