"""Images: the store of loaded ones, and what runs for an image that is not loaded. No asyncio.

`archive`, `layer`, `loading`, `removal` and `store` run on the host as root of the ids of a world (`podwire image`);
the others run in the kubelet.
"""
