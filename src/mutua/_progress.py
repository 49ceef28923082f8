"""Progress bars, where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mutua.settings import show_progress

__all__ = ["PERMUTATIONS", "POSITIONS", "counted", "progress_bar"]

T = TypeVar("T")

# What bars of several modules say.
PERMUTATIONS = ("permutations", "permutation")
POSITIONS = ("positions", "block")


@contextmanager
def progress_bar(
    total: int, what: str, unit: str, shown: bool | None = None
) -> Iterator[Callable[[int], object]]:
    """Give what is to be told how many more are done.

    Parameters
    ----------
    total
        How many there are; of one there is no bar.
    what, unit
        What the bar says.
    shown
        Whether there is a bar; None for the setting.

    Examples
    --------
    >>> with progress_bar(1000, "position_mi", "permutation", shown=False) as done:
    ...     _ = done(16)
    """
    if total < 2 or not (show_progress() if shown is None else shown):
        yield lambda _: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=what, unit=unit, leave=False) as bar:
        yield bar.update


def counted(
    items: Iterable[T], total: int, what: str, unit: str, shown: bool | None = None
) -> Iterator[T]:
    """Go through items that a bar counts; parameters as for `progress_bar`.

    Examples
    --------
    >>> list(counted("ab", 2, "letters", "letter", shown=False))
    ['a', 'b']
    """
    with progress_bar(total, what, unit, shown) as done:
        for item in items:
            yield item
            done(1)
