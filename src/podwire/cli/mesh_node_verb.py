"""podwire mesh-node"""

from podwire.mesh.node.flags import command

__all__ = ["command"]
