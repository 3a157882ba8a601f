"""What the files hold: parts of one block of random bytes, so that to compare costs next to nothing."""

import random
from dataclasses import dataclass

POOL_BYTES = 8 << 20
_PROBE_BYTES = 16
_LARGEST_SHARED = 300_000
_SIZES = ((0, 1), (1, 20_000), (20_000, 300_000), (300_000, 3 << 20))
_WEIGHTS = (1, 10, 6, 2)


@dataclass(frozen=True, slots=True)
class Content:
    """What one file holds."""

    start: int
    size: int


class Pool:
    """The block."""

    def __init__(self, seed: int) -> None:
        self.data = random.Random(seed).randbytes(POOL_BYTES)  # noqa: S311 - the same each time
        self.whole = Content(0, POOL_BYTES)

    def choose(self, rng: random.Random) -> Content:
        """Any: many are small, a few large."""
        size = rng.randrange(*rng.choices(_SIZES, _WEIGHTS)[0])
        return Content(rng.randrange(POOL_BYTES - size), size)

    def choose_shared(self, rng: random.Random) -> Content:
        """One that its first bytes tell."""
        return _shared(rng.randrange(POOL_BYTES - _LARGEST_SHARED - _PROBE_BYTES))

    def recognize(self, received: bytes) -> Content:
        """Of `choose_shared`, which one it begins like."""
        start = self.data.find(received[:_PROBE_BYTES])
        assert start >= 0, "begins like nothing that was uploaded"
        return _shared(start)

    def view(self, content: Content, begin: int = 0, end: int | None = None) -> memoryview:
        """The bytes, or a part of them."""
        end = content.size if end is None else end
        return memoryview(self.data)[content.start + begin : content.start + end]

    def check(self, content: Content, received: bytes, begin: int = 0) -> None:
        """Raise AssertionError that says where they differ, unless these are the bytes from `begin` on."""
        wanted = self.view(content, begin)
        if wanted == received:
            return
        pairs = enumerate(zip(wanted, received, strict=False))
        where = next((place for place, (one, other) in pairs if one != other), min(len(wanted), len(received)))
        raise AssertionError(f"{len(received)} bytes, not {len(wanted)}, or others from {begin}+{where} on")


def _shared(start: int) -> Content:
    return Content(start, _PROBE_BYTES + start * 7919 % _LARGEST_SHARED)
