from pyftpdlib_suite import sdist, suite
from pyftpdlib_suite.left_out import DIFFERENT, MODULES, TESTS

RUN = ("test_functional", "test_functional_ssl")


def test_each_module_of_the_suite_is_run_or_left_out():
    assert {path.stem for path in sdist.ensure().glob("test_*.py")} == {*RUN, *MODULES}


def test_each_test_that_is_named_exists():
    cases = [case for module in RUN for case in suite.cases(suite.load(module))]
    known = {name for case in cases for test in suite.tests(case) for name in suite.names(case, test)}
    named = {name for group in (TESTS, DIFFERENT) for names in group.values() for name in names}
    assert named - known == set()
