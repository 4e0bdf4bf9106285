"""pid 1 of a world and the zygote, the process that all others are forked from. Never asyncio, never a thread.

Before it forks, pid 1 imports the standard library only: every page that it holds is held as long as the world lives.
The zygote imports what roles need by name (`WARM_MODULES`), never at the top of a module here.
"""
