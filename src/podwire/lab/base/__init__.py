"""What several processes of a world share: paths, spawn requests, process descriptors, sockets, exit statuses.

Pure or thin; imports no other room. `paths`, `spawn`, `proc_stat` and `exit_ring` are used by pid 1, so they import the
standard library only and no asyncio.
"""
