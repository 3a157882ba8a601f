"""The controller that turns FtpsServer resources into running FTPS servers."""
