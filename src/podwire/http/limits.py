"""Limits of requests that every server of podwire keeps."""

from __future__ import annotations

LARGEST_BODY = 3 * 1024 * 1024
"""Bytes (k8s.io/apiserver `pkg/server/config.go`)."""
