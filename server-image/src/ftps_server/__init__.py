"""The FTPS server that runs in the pods of an FtpsServer."""
