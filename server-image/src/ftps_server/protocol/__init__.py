"""FTP over TLS (RFC 959, 2228, 2389, 2428, 3659, 4217) on pyftpdlib. Nothing outside this package knows of FTP."""
