"""PATCH bodies as functions on an object: JSON patch, merge patch, strategic merge patch."""
