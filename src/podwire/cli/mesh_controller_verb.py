"""podwire mesh-controller"""

from podwire.mesh.controller.flags import command

__all__ = ["command"]
