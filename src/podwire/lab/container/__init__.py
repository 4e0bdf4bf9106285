"""Start one container: namespaces, root file system, user, capabilities, or crun for an image.

Runs in a child that the shim forks, between fork and exec. No asyncio, no thread, nothing that reads files of Python
after the root has changed.
"""
