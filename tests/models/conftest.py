"""What the tests of the data model share."""

from collections.abc import Iterator

import pytest

from mutua.models import KINDS, Element


def of_mutua() -> dict[str, type[Element]]:
    """Give the kinds of mutua itself."""
    return {name: kind for name, kind in KINDS.items() if kind.__module__.startswith("mutua.")}


def keep(kinds: dict[str, type[Element]]) -> None:
    """Let these be the only kinds there are."""
    KINDS.clear()
    KINDS.update(kinds)


def pytest_collection_finish() -> None:
    """Forget the kinds that test modules define, so that no other test meets them."""
    keep(of_mutua())


@pytest.fixture(autouse=True)
def kinds_of_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Know the kinds of the test's own module, and forget those it defines."""
    ours = of_mutua()
    things = [thing for thing in vars(request.module).values() if isinstance(thing, type)]
    own = [thing for thing in things if issubclass(thing, Element) and thing is not Element]
    keep(ours | {kind.__name__: kind for kind in own})
    yield
    keep(ours)
