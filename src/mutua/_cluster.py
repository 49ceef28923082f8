"""Tasks that give their results in order, here or on the workers of a `dask.distributed` cluster.

What a task gives depends on its arguments alone, and results come in the order of the tasks. So
what is merged from them has the same bits wherever they ran, also where a worker was lost and its
tasks ran again.
"""

from __future__ import annotations

import importlib.metadata
import os
import socket
import sys
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from mutua._progress import counted
from mutua.errors import InvalidInput, MissingDependency
from mutua.settings import settings, settings_here

__all__ = [
    "ForWorkers",
    "compute",
    "computed",
    "current_client",
    "in_order",
    "refuse_unsendable",
    "result_of",
]

_AHEAD: Final = 2
"""Tasks for every thread of the cluster that are under way: one runs, one waits."""


def current_client() -> Any:
    """Give the client of `dask.distributed` that computes dask arrays here, or None.

    None inside a task too, and where dask was told to compute otherwise
    (``dask.config.set(scheduler="threads")``).

    Raises
    ------
    MissingDependency
        If a worker has no mutua, or another version, which may give other numbers.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None or _worker() is not None:
        return None  # a task that waits for others may wait for itself
    import dask

    if dask.config.get("scheduler", None) not in (None, "dask.distributed", "distributed"):
        return None
    try:
        client = distributed.default_client()
    except ValueError:
        return None
    if client.asynchronous:
        return None
    there = set(client.nthreads())
    if not there:
        warnings.warn("the dask cluster has no workers yet: waiting for one", stacklevel=2)
    known = _checked.setdefault(client, set())
    if new := there - known:
        _refuse_other_versions(client, sorted(new))
        known |= new
    return client


_checked: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
"""For each client, the workers that were seen to have mutua."""


def _refuse_other_versions(client: Any, workers: list[str]) -> None:
    """Refuse workers that cannot run our functions: dask would wait for them for ever."""
    here = importlib.metadata.version("mutua")
    there = client.run(importlib.metadata.version, "mutua", workers=workers, on_error="return")
    for address, found in there.items():
        if found == here:
            continue
        what = "no mutua" if isinstance(found, Exception) else f"mutua {found}"
        raise MissingDependency(
            f"the worker {address} of the dask cluster has {what}. Install mutua {here} there, as "
            "here, or close the client to compute in this process."
        )


def _worker() -> Any:
    """Give the worker of `dask.distributed` whose task this thread runs, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_worker()
    except ValueError:
        return None


class ForWorkers:
    """A function that runs on a worker as the settings of its caller say.

    They are looked at when the function is pickled, which is when it is sent, and are no part of
    its name in a dask graph. A worker runs one such function at a time, with all threads that it
    has, so that ``settings.memory`` holds for the worker. Its warnings reach the caller. In the
    caller's own process nothing changes.

    Parameters
    ----------
    function
        The function.
    asked
        The settings to use; those of this process where left out.
    caller
        The process that asks; this one where left out.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        asked: Mapping[str, Any] | None = None,
        caller: tuple[str, int] | None = None,
    ) -> None:
        self.function = function
        self.asked = asked
        self.caller = _this_process() if caller is None else caller

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        worker = _worker()
        if worker is None:
            return self.function(*args)
        asked = dict(_settings_now() if self.asked is None else self.asked)
        most = worker.state.nthreads
        asked["threads"] = most if asked["threads"] is None else min(most, asked["threads"])
        with _turns.setdefault(worker, threading.Lock()), settings_here(asked):
            if self.caller == _this_process():
                return self.function(*args)  # which sees the warnings
            said: list[warnings.WarningMessage] = []
            try:
                with warnings.catch_warnings(record=True) as said:
                    return self.function(*args)
            finally:
                _warn_the_caller(said)  # which warns here too

    def __reduce__(self) -> Any:
        """Pickle with the settings of now, once."""
        return ForWorkers, (self.function, self.asked or _settings_now(), self.caller)

    def __dask_tokenize__(self) -> Any:
        """Be known in a graph as the function itself."""
        from dask.base import normalize_token

        return normalize_token(self.function)


def _warn_the_caller(said: list[warnings.WarningMessage]) -> None:
    """Let the client say what a function on a worker has to say to a user."""
    import distributed

    warn: Any = distributed.warn
    for warning in said:
        if not issubclass(warning.category, _FOR_DEVELOPERS):
            warn(str(warning.message), warning.category)


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


_FOR_DEVELOPERS: Final = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)
_turns: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()
"""For each worker in this process, what lets one function run at a time."""


def _settings_now() -> dict[str, Any]:
    """Give the settings that a worker is to use; only the caller shows progress."""
    now = {name: getattr(settings, name) for name in ("device", "threads", "memory")}
    return {**now, "progress": False}


def result_of(future: Any, what: str) -> Any:
    """Give the result of a future.

    Parameters
    ----------
    future
        Of a client that waits.
    what
        What it computes; an error says so in a note.
    """
    try:
        return future.result()
    except Exception as error:
        error.add_note(f"in {what}, on a worker of the dask cluster")
        raise


def compute(array: Any) -> Any:
    """Give a dask array in memory: from the cluster if a client is open, else read by threads."""
    return array.compute(scheduler=None if current_client() else "threads")


def in_order(
    function: Callable[..., Any],
    tasks: Iterable[tuple[Any, ...]],
    *,
    shared: tuple[Any, ...] = (),
    n_tasks: int | None = None,
    what: str = "blocks",
    progress: bool | None = None,
) -> Iterator[Any]:
    """Call ``function(*task, *shared)`` for every task; give what the calls gave, in order.

    With a client of `dask.distributed` open the calls run on its workers, a few at a time for
    each of their threads, and dask arrays among the arguments are computed there. Else they run
    here, one after another, and only their dask arrays are read by several threads.

    Parameters
    ----------
    function
        Must be importable, or one that cloudpickle can send.
    tasks
        Arguments of the calls, taken as they are needed.
    shared
        Arguments that are the same for all calls, sent once.
    n_tasks
        How many tasks there are, if a progress bar is wanted.
    what
        What the progress bar counts.
    progress
        Show a progress bar; None for the setting.

    Raises
    ------
    Exception
        What a call raised, once the results before it are given.

    Examples
    --------
    >>> list(in_order(pow, [(2,), (3,)], shared=(4,)))
    [16, 81]
    """
    client = current_client()
    found = (
        (function(*(_here(value) for value in task), *shared) for task in tasks)
        if client is None
        else _on_workers(client, function, tasks, shared)
    )
    yield from counted(found, n_tasks or 0, what, "block", progress)


def _here(value: Any) -> Any:
    return value.compute(scheduler="threads") if hasattr(value, "dask") else value


def computed(parts: list[Any], what: str) -> Iterator[Any]:
    """Compute `Delayed` objects on the cluster, all at once; give their values in order.

    Parameters
    ----------
    parts
        What to compute; what they have in common is computed once.
    what
        What a progress bar and errors call it.
    """
    client = current_client()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")
        futures = client.compute(parts)
    try:
        for number, future in enumerate(counted(futures, len(futures), what, "part")):
            yield result_of(future, f"part {number} of {what}")
    finally:
        _cancel(client, futures)


def _on_workers(
    client: Any,
    function: Callable[..., Any],
    tasks: Iterable[tuple[Any, ...]],
    shared: tuple[Any, ...],
) -> Iterator[Any]:
    from dask.delayed import delayed

    with warnings.catch_warnings():
        # Made by a task, so that it is made again where a worker that held it is lost; the
        # scheduler has to keep it for that, of which dask warns.
        warnings.filterwarnings("ignore", message="Sending large graph")
        held = [client.submit(_Given(value), pure=False) for value in shared]
    call = delayed(ForWorkers(function), pure=False)
    running: deque[Any] = deque()
    n_given = 0
    try:
        for task in tasks:
            running.append(client.compute(call(*task, *held)))
            if len(running) >= _AHEAD * max(1, sum(client.nthreads().values())):
                yield result_of(running.popleft(), f"block {n_given}")
                n_given += 1
        while running:
            yield result_of(running.popleft(), f"block {n_given}")
            n_given += 1
    finally:
        _cancel(client, [*running, *held])


def _cancel(client: Any, futures: list[Any]) -> None:
    """Have nobody work for nothing; a client that was closed has seen to that."""
    if client.status == "running":
        client.cancel(futures)


def refuse_unsendable(value: Any, argument: str) -> None:
    """Refuse what cannot be pickled, if there are workers that it would have to be sent to.

    Raises
    ------
    InvalidInput
        Says why.
    """
    if current_client() is None:
        return
    import cloudpickle

    try:
        cloudpickle.dumps(value)
    except Exception as error:
        raise InvalidInput(
            argument,
            f"a {type(value).__name__} that cannot be sent to the workers of the cluster: {error}",
            "leave out what cannot be pickled, or close the client to compute in this process",
        ) from error


class _Given:
    """A value as a function that gives it: dask looks into lists, and into data classes."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self) -> Any:
        return self.value
