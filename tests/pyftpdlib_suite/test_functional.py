"""pyftpdlib's functional tests, over explicit FTPS."""

from pyftpdlib_suite import suite
from pyftpdlib_suite.clients import ExplicitClient
from pyftpdlib_suite.ftpd import Ftpd

globals().update(suite.classes("test_functional", server=Ftpd, client=ExplicitClient))
