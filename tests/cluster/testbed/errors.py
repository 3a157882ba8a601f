"""What goes wrong in the test bed, in one sentence that a person can act on."""


class TestbedError(Exception):
    """The sentence is shown as it is, without a traceback."""

    __test__ = False  # its name looks like a test's to pytest
