from functools import partial

import numpy as np
import pytest
import torch

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import cwm_gradients
from mutua.kernels.cwm_coordinates import Coefficients, _touched, by_coordinates
from mutua.kernels.cwm_gradients import by_gradients
from mutua.kernels.cwm_hits import Atoms, cwm_hits, free_runs, trimmed_atoms
from mutua.kernels.letters import complement_codes
from tests.reference import cwm_hits as reference

COMPLEMENT = complement_codes("ACGT")
LENGTH = 47
SOLVERS = {
    "coordinates": by_coordinates,
    "gradients": partial(by_gradients, place="cpu", n_slots=3),
}
solvers = pytest.mark.parametrize("solve", SOLVERS.values(), ids=list(SOLVERS))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def matrices(seed: int = 0, n: int = 3, width: int = 9) -> np.ndarray:
    """Matrices of a letter for each of the middle columns, and a little of all others."""
    random = np.random.default_rng(seed)
    found = random.normal(0, 0.03, (n, 4, width))
    for matrix in found:
        inside = np.arange(random.integers(1, 3), width - random.integers(0, 3))
        matrix[random.integers(0, 4, len(inside)), inside] += random.uniform(0.5, 1.5, len(inside))
    return found


def sequences(seed: int, n: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Noise with overlapping instances, unknown letters, and padding on either side."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, LENGTH)).astype(np.uint8)
    values = random.normal(0, 0.2, (n, 4, LENGTH))
    cwms = matrices()
    for row in range(n):
        for _ in range(4):
            cwm, at = cwms[random.integers(3)], random.integers(0, LENGTH - 9)
            codes[row, at : at + 9] = cwm.argmax(axis=0)
            values[row, :, at : at + 9] += random.uniform(1, 3) * cwm
    codes[1, 12:15] = 254
    codes[2, :6] = 255
    codes[3, 40:] = 255
    values[4] = 0
    return values, codes


def coefficients(
    solve, values: np.ndarray, codes: np.ndarray, atoms: Atoms, all_letters: bool, gap: float = 1e-6
) -> tuple[list[reference.Problem], np.ndarray, Coefficients]:
    """Give the dense problems, and what a solver makes of them."""
    problems = [
        reference.problem(
            v,
            c,
            [m[:, :w].astype(float) for m, w in zip(atoms.values, atoms.width, strict=True)],
            atoms.penalty.astype(float).tolist(),
            all_letters=all_letters,
        )
        for v, c in zip(values, codes, strict=True)
    ]
    x = np.stack([problem.x.reshape(4, -1) for problem in problems])
    signal = x if all_letters else x.sum(axis=1, keepdims=True)
    found = solve(
        np.ascontiguousarray(signal.transpose(0, 2, 1), np.float32), codes, free_runs(codes),
        atoms.values, atoms.width, atoms.penalty, tolerance=np.full(len(codes), gap * LENGTH),
        max_steps=3000,
    )  # fmt: skip
    return problems, np.arange(len(codes)), found


def dense(problem: reference.Problem, found: Coefficients, row: int) -> np.ndarray:
    c = np.zeros(len(problem.penalty))
    place = {key: i for i, key in enumerate(zip(problem.start, problem.atom, strict=True))}
    for i in np.flatnonzero(found.sequence == row):
        c[place[found.start[i], found.atom[i]]] = found.coefficient[i]
    return c


@solvers
@pytest.mark.parametrize("all_letters", [False, True], ids=["observed", "all"])
def test_solution_is_that_of_the_dense_problem(solve, all_letters: bool) -> None:
    values, codes = sequences(1)
    atoms = trimmed_atoms(matrices(), penalty=[0.7, 0.6, 0.8], trim=0.3, complement=COMPLEMENT)
    problems, rows, found = coefficients(solve, values, codes, atoms, all_letters)
    assert (found.gap <= 1e-6 * LENGTH).all()
    n_used = 0
    for row, problem in zip(rows, problems, strict=True):
        c = dense(problem, found, row)
        expected = problem.solve()
        n_used += int((expected > 0.01).sum())
        assert problem.objective(c) <= problem.objective(expected) + 1e-4
        # The fit is unique, and the coefficients where the columns are independent.
        np.testing.assert_allclose(problem.columns @ c, problem.columns @ expected, atol=0.02)
        # No coefficient could gain more than its penalty, and those in use gain just that.
        slack = problem.penalty - problem.gradient(c)
        assert slack.min() > -0.005
        np.testing.assert_allclose(slack[c > 0.05], 0, atol=0.005)
    assert n_used > 10
    assert found.steps[4] == 0


@solvers
def test_gap_bounds_how_far_the_objective_is_from_its_minimum(solve) -> None:
    values, codes = sequences(2)
    atoms = trimmed_atoms(matrices(), penalty=[0.5] * 3, trim=0.3, complement=COMPLEMENT)
    for gap in (0.05, 0.003):
        problems, rows, found = coefficients(solve, values, codes, atoms, False, gap)
        for row, problem in zip(rows, problems, strict=True):
            excess = problem.objective(dense(problem, found, row)) - problem.objective(
                problem.solve()
            )
            assert -1e-4 <= excess <= found.gap[row] + 1e-4
            assert found.gap[row] <= gap * LENGTH


@pytest.mark.parametrize("all_letters", [False, True], ids=["observed", "all"])
def test_columns_beyond_the_widths_change_nothing(all_letters: bool) -> None:
    values, codes = sequences(7)
    atoms = trimmed_atoms(matrices(), penalty=[0.6] * 3, trim=0.3, complement=COMPLEMENT)
    options = {"all_letters": all_letters, "tolerance": 1e-6, "max_steps": 3000, "device": "cpu"}
    expected = cwm_hits(values, codes, atoms, **options)
    assert len(expected.start) > 5
    for more in (1, 2, 3):
        wider = atoms._replace(values=np.pad(atoms.values, [(0, 0), (0, 0), (0, more)]))
        found = cwm_hits(values, codes, wider, **options)
        for name, column in expected._asdict().items():
            assert np.array_equal(getattr(found, name), column), name


@pytest.mark.parametrize("n_slots", [1, 2, 64])
def test_gradients_do_not_depend_on_their_batches(n_slots: int) -> None:
    values, codes = sequences(3, n=9)
    atoms = trimmed_atoms(matrices(), penalty=[0.6] * 3, trim=0.3, complement=None)
    _, _, expected = coefficients(SOLVERS["gradients"], values, codes, atoms, False)
    solve = partial(by_gradients, place="cpu", n_slots=n_slots)
    _, _, found = coefficients(solve, values, codes, atoms, False)
    for name in ("sequence", "start", "atom"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.coefficient, expected.coefficient, atol=1e-3)


def test_fewer_slots_where_the_memory_of_a_gpu_does_not_hold_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, codes = sequences(3, n=9)
    atoms = trimmed_atoms(matrices(), penalty=[0.6] * 3, trim=0.3, complement=None)
    _, _, expected = coefficients(SOLVERS["gradients"], values, codes, atoms, False)
    real, sizes = cwm_gradients._Problem.start, []

    def limited(self: object, rows: np.ndarray) -> dict:
        sizes.append(len(rows))
        if len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, rows)

    monkeypatch.setattr(cwm_gradients._Problem, "start", limited)
    most = 2
    solve = partial(by_gradients, place="cpu")
    _, _, found = coefficients(solve, values, codes, atoms, False)
    assert sizes[:3] == [9, 4, 2]
    for name in ("sequence", "start", "atom"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.coefficient, expected.coefficient, atol=1e-3)
    most = 0
    with pytest.raises(MemoryLimit, match=r"`attributions`: the smallest piece needs .* MiB"):
        coefficients(solve, values, codes, atoms, False)


@solvers
def test_what_correlates_with_nothing_takes_no_steps(solve) -> None:
    values, codes = sequences(4)
    atoms = trimmed_atoms(np.abs(matrices()), penalty=[0.7] * 3, trim=0.3, complement=None)
    _, _, found = coefficients(solve, -np.abs(values), codes, atoms, False)
    assert len(found.sequence) == 0
    assert (found.steps <= 2).all()
    assert (found.gap == 0).all()


@solvers
def test_no_sequences(solve) -> None:
    atoms = trimmed_atoms(matrices(), penalty=[0.7] * 3, trim=0.3, complement=None)
    codes = np.zeros((0, 12), np.uint8)
    found = solve(
        np.zeros((0, 12, 1), np.float32), codes, free_runs(codes), *atoms[:2], atoms.penalty,
        tolerance=np.zeros(0), max_steps=5,
    )  # fmt: skip
    assert [len(part) for part in found] == [0] * 6


def test_atoms_are_trimmed_turned_and_kept_once() -> None:
    cwm = np.zeros((4, 4, 6))
    cwm[0, [0, 1, 2], [1, 2, 3]] = [2, 3, 1]
    cwm[0, 3, 5] = 0.5
    cwm[1] = 2 * cwm[0]  # the same of norm 1
    cwm[2, [0, 1, 2, 3], [0, 1, 2, 3]] = 1  # a palindrome
    cwm[3, 1, 0] = -1
    atoms = trimmed_atoms(cwm, penalty=[0.7, 0.6, 0.7, 0.7], trim=0.3, complement=COMPLEMENT)
    assert atoms.motif.tolist() == [1, 1, 2, 3, 3]
    assert atoms.strand.tolist() == [1, -1, 1, 1, -1]
    assert atoms.width.tolist() == [3, 3, 4, 1, 1]
    np.testing.assert_array_equal(atoms.penalty, np.float32([0.6, 0.6, 0.7, 0.7, 0.7]))
    norm = np.sqrt(14.25)
    np.testing.assert_allclose(atoms.values[0, [0, 1, 2], [0, 1, 2]], np.array([2, 3, 1]) / norm)
    np.testing.assert_allclose(atoms.values[1, [1, 2, 3], [0, 1, 2]], np.array([1, 3, 2]) / norm)
    assert (atoms.values[:2, :, 3:] == 0).all()
    assert atoms.values[4, 2, 0] == -1


def test_hits_of_both_solvers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    values, codes = sequences(5, n=20)
    atoms = trimmed_atoms(matrices(), penalty=[0.7] * 3, trim=0.3, complement=COMPLEMENT)
    options = {"all_letters": False, "tolerance": 1e-6, "max_steps": 5000}
    one = cwm_hits(values, codes, atoms, device="cpu", **options)
    solve = SOLVERS["gradients"]
    monkeypatch.setattr("mutua.kernels.cwm_hits._solver", lambda _: solve)
    other = cwm_hits(values, codes, atoms, device="cpu", **options)
    assert len(one.start) > 20
    for name in ("sequence", "start", "end", "motif", "strand"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.coefficient, other.coefficient, atol=0.03)


def test_a_lone_instance_has_the_coefficient_of_its_formula() -> None:
    cwm = matrices(n=1)
    codes = np.zeros((1, LENGTH), np.uint8)
    codes[0, 10:19] = cwm[0].argmax(axis=0)
    values = np.zeros((1, 4, LENGTH))
    values[0, :, 10:19] = 2 * cwm[0]
    atoms = trimmed_atoms(cwm, penalty=[0.7], trim=0.3, complement=None)
    found = cwm_hits(
        values, codes, atoms, all_letters=True, tolerance=1e-6, max_steps=99, device="cpu"
    )
    best = int(found.coefficient.argmax())
    size = np.sqrt((values**2).sum() / LENGTH)
    window = values[0, :, found.start[best] : found.end[best]] / size
    energy = (window**2).sum()
    norm = (atoms.values[0] ** 2).sum()
    cosine = found.similarity[best]
    expected = (energy + 1) * (cosine * np.sqrt(energy / (energy + 1)) - 0.7) / norm
    assert found.coefficient[best] == pytest.approx(expected, rel=1e-3)
    assert found.coefficient_global[best] == pytest.approx(expected * size**2, rel=1e-3)
    assert found.importance[best] == pytest.approx(np.abs(window).sum() * size, rel=1e-5)


def test_instances_where_nothing_has_changed_wait_for_their_turn() -> None:
    """40 alike and far apart, more than join the working set at a time, are all found alike."""
    cwm = matrices(n=1)
    values, codes = np.zeros((1, 4, 40 * 30)), np.zeros((1, 40 * 30), np.uint8)
    starts = np.arange(40) * 30 + 10
    for start in starts:
        codes[0, start : start + 9] = cwm[0].argmax(axis=0)
        values[0, :, start : start + 9] = cwm[0]
    atoms = trimmed_atoms(cwm, penalty=[0.7], trim=0, complement=None)
    found = cwm_hits(
        values, codes, atoms, all_letters=False, tolerance=1e-6, max_steps=9999, device="cpu"
    )
    assert found.gap[0] <= 1e-6
    assert found.start.tolist() == starts.tolist()
    np.testing.assert_allclose(found.coefficient, found.coefficient[0], rtol=1e-3)


@pytest.mark.parametrize(("n_parts", "n_columns"), [(1, 1), (1, 4), (3, 7)])
def test_places_are_looked_at_again_where_their_widest_window_has_changed(
    n_parts: int, n_columns: int
) -> None:
    random = np.random.default_rng(n_columns)
    seen = random.random((53, n_parts), np.float32)
    rest = np.where(random.random(seen.shape) < 0.08, seen / 2, seen)
    changed = (rest != seen).any(axis=1)
    expected = [changed[place : place + n_columns].any() for place in range(len(seen))]
    assert 0 < np.sum(expected) < len(seen)
    assert _touched(rest, seen, n_columns).tolist() == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_device() -> None:
    values, codes = sequences(0)
    atoms = trimmed_atoms(matrices(), penalty=[0.7] * 3, trim=0.3, complement=None)
    options = {"all_letters": False, "tolerance": 1e-4, "max_steps": 99}
    with pytest.raises(DeviceUnavailable, match="no usable GPU"):
        cwm_hits(values, codes, atoms, device="cuda", **options)
    with pytest.raises(InvalidInput, match="device"):
        cwm_hits(values, codes, atoms, device="tpu", **options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("all_letters", [False, True], ids=["observed", "all"])
def test_gpu_and_cpu_agree(all_letters: bool) -> None:
    values, codes = sequences(6, n=40)
    atoms = trimmed_atoms(matrices(), penalty=[0.7] * 3, trim=0.3, complement=COMPLEMENT)
    options = {"all_letters": all_letters, "tolerance": 1e-6, "max_steps": 5000}
    one = cwm_hits(values, codes, atoms, device="cpu", **options)
    other = cwm_hits(values, codes, atoms, device="cuda", **options)
    for name in ("sequence", "start", "end", "motif", "strand"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.coefficient, other.coefficient, atol=5e-3)


@pytest.mark.gpu
def test_gpu_and_cpu_agree_at_size() -> None:
    """2,000 sequences of 1,000 letters, 30 matrices: all but hits at their limit are the same."""
    random = np.random.default_rng(0)
    letters = random.integers(0, 4, (30, 1, 20))
    cwm = (letters == np.arange(4)[:, None]) * random.gamma(2, size=(30, 1, 20))
    codes = random.integers(0, 4, (2000, 1000), dtype=np.uint8)
    values = np.zeros((2000, 4, 1000))
    np.put_along_axis(values, codes[:, None].astype(np.int64), 0.1, axis=1)
    for row in range(2000):
        for start in range(20, 960, 97):
            motif = random.integers(30)
            best = cwm[motif].argmax(axis=0)
            codes[row, start : start + 20] = best
            values[row, :, start : start + 20] = cwm[motif] * random.uniform(1, 4)
    atoms = trimmed_atoms(cwm, penalty=[0.7] * 30, trim=0.3, complement=COMPLEMENT)
    options = {"all_letters": False, "tolerance": 1e-5, "max_steps": 10_000}
    found = []
    for device in ("cpu", "cuda"):
        hits = cwm_hits(values, codes, atoms, device=device, **options)
        columns = (hits.sequence, hits.start, hits.motif, hits.strand)
        found.append(set(zip(*(column.tolist() for column in columns), strict=True)))
    assert len(found[0]) > 10_000
    assert len(found[0] ^ found[1]) < 1e-3 * len(found[0])
