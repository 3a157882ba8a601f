"""Memory for what is moved in one turn of the event loop."""

from ftps_server.config import TURN_BYTES


class Buffers:
    """Memory for one turn. Nothing stays in it from one turn to the next, so one serves all connections of a loop."""

    def __init__(self, size: int = TURN_BYTES) -> None:
        self.resize(size)

    def resize(self, size: int) -> None:
        """Handle so many bytes in a turn from now on."""
        self.encrypted = memoryview(bytearray(size))
        self.plain = memoryview(bytearray(size))
