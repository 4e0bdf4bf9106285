"""The stand-in: the process of a container whose image is not on this machine. No aiohttp, msgspec or yaml.

Forked from the zygote into the root of a container, where no file of Python exists: everything is imported before.
"""
