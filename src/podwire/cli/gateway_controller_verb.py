"""podwire gateway-controller"""

from podwire.edge.controller.flags import command

__all__ = ["command"]
