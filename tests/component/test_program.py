import logging

import pytest

from podwire.component import logs, program
from podwire.kernel.nftables import NftablesMissingError
from podwire.kube.credentials import CredentialsError


@pytest.fixture(autouse=True)
def _own_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda *_: None)


async def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [OSError(98, "port 53: Address already in use"), CredentialsError("no token"), NftablesMissingError()],
)
def test_what_a_user_can_mend_is_one_line_and_status_1(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        program.run(fail(error))
    assert end.value.code == 1
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.CRITICAL, str(error))]


def test_what_is_a_fault_of_podwire_is_raised() -> None:
    with pytest.raises(ValueError, match="fault"):
        program.run(fail(ValueError("fault")))
