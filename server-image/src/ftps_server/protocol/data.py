"""Data connections. Always encrypted: there is no way to open one in clear."""

from typing import Any

from pyftpdlib.handlers.ftps.data import TLS_DTPHandler


class DataConnection(TLS_DTPHandler):  # type: ignore[misc]
    """One transfer or listing."""

    def __init__(self, sock: Any, cmd_channel: Any) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        if not cmd_channel.is_data_protected:
            # PROT C after PASV would get here (a hole of pyftpdlib, which looks at PROT when PASV comes).
            sock.close()
            raise AssertionError("a data connection in clear")
        super().__init__(sock, cmd_channel)
