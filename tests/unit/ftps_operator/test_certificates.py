import datetime

import pytest

from ftps_operator.certificates import CertificateFacts, Lifetime
from support.samples import NOW

DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("days", "age", "lifetime"),
    [
        (90, 0, Lifetime.GOOD),
        (90, 75, Lifetime.GOOD),
        (90, 76, Lifetime.ENDING),
        (90, 89, Lifetime.ENDING),
        (90, 90, Lifetime.OVER),
        # A short life is renewed late: the last sixth of it counts.
        (6, 4, Lifetime.GOOD),
        (6, 5, Lifetime.ENDING),
    ],
)
def test_the_end_of_a_certificate_is_near_when_whoever_renews_it_is_late(days: int, age: int, lifetime: Lifetime):
    facts = CertificateFacts(NOW, NOW + days * DAY, "CN=ca", "ab", frozenset())
    assert facts.lifetime(NOW + age * DAY) is lifetime
