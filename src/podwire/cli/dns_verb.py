"""podwire dns"""

from podwire.dns.flags import command

__all__ = ["command"]
