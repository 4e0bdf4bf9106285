"""Compression of responses, for clients that accept it."""

from __future__ import annotations

from typing import Any

from envoy.extensions.compression.brotli.compressor.v3 import brotli_pb2
from envoy.extensions.compression.gzip.compressor.v3 import gzip_pb2
from envoy.extensions.filters.http.compressor.v3 import compressor_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.envoy.message import extension, packed
from podwire.edge.model.listeners import Compression

_NAMES = {"gzip": "envoy.filters.http.compressor.gzip", "br": "envoy.filters.http.compressor.brotli"}


def listener_filter(compression: Compression) -> Any:
    """Return the filter of a listener."""
    common = compressor_pb2.Compressor.CommonDirectionConfig(content_type=compression.types)
    common.min_content_length.value = max(30, compression.least_bytes)  # the least that Envoy takes
    direction = compressor_pb2.Compressor.ResponseDirectionConfig(common_config=common)
    made = compressor_pb2.Compressor(response_direction_config=direction)
    made.compressor_library.CopyFrom(_library(compression))
    name = _NAMES[compression.coding]
    return http_connection_manager_pb2.HttpFilter(name=name, typed_config=packed(made))


def _library(compression: Compression) -> Any:
    if compression.coding == "br":
        brotli = brotli_pb2.Brotli()
        brotli.quality.value = compression.level
        return extension("brotli", brotli)
    return extension("gzip", gzip_pb2.Gzip(compression_level=compression.level))
