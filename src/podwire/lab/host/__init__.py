"""What runs on the machine itself, as the caller of `podwire`: up, down, status, kubeconfig, images.

`start` and `launch` fork pid 1, so they import neither yaml, aiohttp, cryptography nor asyncio before.
"""
