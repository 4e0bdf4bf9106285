import gc
import os
import ssl

import pytest

from podwire.component.imports import lasting, without_authorities


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
