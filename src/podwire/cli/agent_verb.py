"""podwire agent"""

from podwire.agent.flags import command

__all__ = ["command"]
