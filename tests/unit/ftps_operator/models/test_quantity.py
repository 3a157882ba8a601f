import pytest
from pydantic import TypeAdapter, ValidationError

from ftps_operator.models.quantity import Quantity, whole

ADAPTER: TypeAdapter[int | str] = TypeAdapter(Quantity)


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        (2, 2),
        ("2", 2),
        ("500m", 1),  # rounded up, as Kubernetes does it
        ("1.5Gi", 3 * 2**29),
        ("10Gi", 10 * 2**30),
        ("3M", 3_000_000),
        ("1E", 10**18),
        ("1e3", 1000),
        ("2E2", 200),
        ("0.1", 1),
        ("100Ei", 2**63 - 1),  # more than there can be
        ("1e99", 2**63 - 1),
    ],
)
def test_a_quantity_is_the_number_that_kubernetes_reads(quantity: int | str, number: int):
    assert whole(ADAPTER.validate_python(quantity)) == number


@pytest.mark.parametrize("text", ["", "1KiB", "-1", -1, "1e999999999", ".5", "1.", "1 Gi", "1Gi\n", "9" * 33])
def test_what_is_no_quantity_is_refused(text: int | str):
    with pytest.raises(ValidationError, match="quantity"):
        ADAPTER.validate_python(text)
