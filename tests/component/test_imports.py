import contextlib
import gc
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from podwire.component.imports import COLLECT_AFTER, lasting, without_authorities
from podwire.pki.certificates import Authority, write


def test_no_authority_is_read_inside_and_the_environment_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/some/file")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with without_authorities():
        assert ssl.create_default_context().get_ca_certs() == []
    assert os.environ["SSL_CERT_FILE"] == "/some/file"
    assert "SSL_CERT_DIR" not in os.environ


def test_what_exists_after_the_block_is_left_out_of_later_collections() -> None:
    try:
        with lasting():
            made: list[list[int]] = [[]]
            assert any(each is made for each in gc.get_objects())
        assert gc.isenabled()
        assert not any(each is made for each in gc.get_objects())
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(("first", "authorities"), [("imports.leave_out_authorities()", 0), ("", 1)])
def test_aiohttp_is_imported_without_authorities(tmp_path: Path, first: str, authorities: int) -> None:
    write(tmp_path, "authority", Authority.create("Authority").pair)
    program = f"""
import os
from podwire.component import imports
{first}
import aiohttp.connector
print(len(aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()), os.environ["SSL_CERT_FILE"])
"""
    file = str(tmp_path / "authority.crt")
    found = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "SSL_CERT_FILE": file, "SSL_CERT_DIR": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(authorities), file]


def test_garbage_is_looked_for_seldom_inside_the_block_and_as_before_after_it() -> None:
    before = gc.get_threshold()
    try:
        with contextlib.suppress(ImportError), lasting():
            assert gc.get_threshold() == (COLLECT_AFTER, *before[1:])
            raise ImportError
        assert gc.get_threshold() == before
        gc.set_threshold(10 * COLLECT_AFTER)
        with lasting():
            assert gc.get_threshold()[0] == 10 * COLLECT_AFTER
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
