"""The shim: one process for each pod, which starts, stops and logs its containers. Single-threaded, asyncio.

`client` and `messages` are the kubelet side of its socket. No aiohttp, yaml or click: it forks, and each page that a
shim writes is held once for each pod.
"""
