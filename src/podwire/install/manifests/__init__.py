"""The objects of an installation. Pure: settings in, manifests out.

`objects` has all of them, from a file for each object; `text` writes them down.
"""
