"""What the tests of the data model share."""

from collections.abc import Iterator

import pytest

from mutua.models import KINDS


@pytest.fixture(autouse=True)
def only_kinds_of_mutua() -> Iterator[None]:
    """Forget the kinds that a test defines."""
    known = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(known)
