"""pyftpdlib's functional tests once more, over implicit FTPS, and those that it has for FTPS alone, over explicit."""

from pyftpdlib_suite import suite
from pyftpdlib_suite.clients import ImplicitClient
from pyftpdlib_suite.ftpd import ImplicitFtpd

globals().update(suite.classes("test_functional_ssl", server=ImplicitFtpd, client=ImplicitClient))
