"""What is fed: what is valid, a little damaged, and cut into pieces."""

import itertools

from hypothesis import strategies as st


@st.composite
def damaged(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """One of them, with a few of its bytes replaced, removed, added or repeated."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        count = draw(st.integers(0, 8))
        data[at : at + count] = draw(st.one_of(st.binary(max_size=8), st.just(bytes(data[at : at + count]) * 2)))
    return bytes(data)


@st.composite
def pieces(draw: st.DrawFn, size: int) -> list[slice]:
    """How so many bytes arrive."""
    cuts = draw(st.lists(st.integers(0, size), max_size=6))
    bounds = [0, *sorted(cuts), size]
    return [slice(start, end) for start, end in itertools.pairwise(bounds) if start < end]
