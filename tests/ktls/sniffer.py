"""Everything that goes over loopback."""

import socket
import struct
import threading
from types import TracebackType
from typing import Self

_ETH_P_ALL = 3
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_STATISTICS = struct.Struct("=II")
_BUFFER_BYTES = 256 << 20
_MAX_PACKET_BYTES = 1 << 17
_QUIET_SECONDS = 0.3


class Sniffer:
    """Keeps all packets of a `with` block; each is there twice, as it is sent and as it arrives. Needs root."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.lost = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.settimeout(_QUIET_SECONDS)
        self._ended = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._socket.bind(("lo", _ETH_P_ALL))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended = True
        self._thread.join()
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        _, self.lost = _STATISTICS.unpack(statistics)
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                self.packets.append(self._socket.recv(_MAX_PACKET_BYTES))
            except TimeoutError:
                if self._ended:
                    return

    @property
    def size(self) -> int:
        """Bytes that were seen."""
        return sum(map(len, self.packets))

    def has_seen(self, text: bytes) -> bool:
        """Whether it was in a packet."""
        return any(text in packet for packet in self.packets)
