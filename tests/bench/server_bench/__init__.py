"""How fast the server is beside vsftpd, ProFTPD, pure-ftpd and stock pyftpdlib. See docs/benchmarks.md."""
