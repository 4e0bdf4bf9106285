"""What can be wrong with an image, its archive or its name."""

from __future__ import annotations


class ImageError(Exception):
    """An image cannot be loaded, found or removed. The text names it, the reason and the remedy."""
