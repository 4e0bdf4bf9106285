"""The real API server, for the tests that run all controllers against it."""

from tests.apiserver.conftest import files, served

__all__ = ["files", "served"]
