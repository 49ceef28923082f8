"""Ten million sequences open at once, and neither writing nor checking needs them in memory."""

import json

import dask.array as da
import numpy as np
import pytest

import mutua as mt
from tests.io import storages

pytestmark = pytest.mark.slow

PEAK = """
import json, sys, time
def peak():  # resource.getrusage would count the process that started this one
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
"""
OPEN = """
import mutua as mt
mt.Analysis, mt.open, mt.models.KINDS
before, start = peak(), time.perf_counter()
study = mt.open(sys.argv[1])
text = repr(study)
opened = study["s"]
shown = repr(opened), opened._repr_html_()
seconds, grown = time.perf_counter() - start, peak() - before
assert not opened["sequence_id"].variable._in_memory
assert set(opened.xindexes) == set()
print(json.dumps({"seconds": seconds, "megabytes": grown / 1e6, "repr": text}))
"""

WORK = """
import dask, dask.array as da, numpy as np
import mutua as mt
dask.config.set(scheduler="threads", num_workers=2)
mt.Analysis({"t": mt.Table.build(n=da.zeros(10, chunks=5))}).write("memory://warm")
before, start = peak(), time.perf_counter()
exec(sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - start, "megabytes": (peak() - before) / 1e6}))
"""


def result(child):
    out, errors = child.communicate(timeout=500)
    assert child.returncode == 0, errors
    return json.loads(out)


def names(block_info):
    first, last = block_info[None]["array-location"][0]
    return np.array([f"sequence_{i}" for i in range(first, last)], dtype=np.dtypes.StringDType())


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """10,000,000 x 50 letter codes with names, 610 MB in memory."""
    n = 10_000_000
    path = tmp_path_factory.mktemp("large") / "s.zarr"
    ids = da.map_blocks(names, chunks=((500_000,) * 20,), dtype=np.dtypes.StringDType())
    assert ids.shape == (n,)
    seqs = mt.SequenceSet.build(
        da.zeros((n, 50), chunks=(500_000, 50), dtype=np.uint8), alphabet="DNA", sequence_id=ids
    )
    mt.Analysis({"s": seqs}).write(path)
    return path


def test_ten_million_sequences_are_opened_without_being_read(large):
    found = result(storages.python(PEAK + OPEN, large))
    print({key: value for key, value in found.items() if key != "repr"})
    assert "sequence 10,000,000 x position 50" in found["repr"]
    assert found["megabytes"] < 100


def test_ten_million_sequences_are_read_in_part(large):
    opened = mt.open(large)["s"]
    part = opened.isel(sequence=slice(7_000_000, 7_000_003)).load()
    assert part["sequence_id"].values.tolist() == [f"sequence_{7_000_000 + i}" for i in range(3)]
    assert part["codes"].shape == (3, 50)


def test_a_large_lazy_element_is_written_in_bounded_memory(tmp_path):
    code = """
x = da.random.default_rng(0).integers(0, 4, (24_000_000, 50), chunks=(400_000, 50), dtype=np.uint8)
mt.Analysis({"s": mt.SequenceSet.build(x, alphabet="DNA")}).write(sys.argv[1])
"""
    found = result(storages.python(PEAK + WORK, tmp_path / "s.zarr", code))
    print(found)
    assert found["megabytes"] < 400  # of 1,200


def test_deep_validation_in_bounded_memory(large):
    found = result(storages.python(PEAK + WORK, large, "mt.open(sys.argv[1]).validate(deep=True)"))
    print(found)
    assert found["megabytes"] < 400
