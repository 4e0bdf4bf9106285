"""podwire controller"""

from podwire.controllers.flags import command

__all__ = ["command"]
