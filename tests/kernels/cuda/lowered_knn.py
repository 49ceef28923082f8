"""The kernels of nearest-neighbour mutual information as PTX."""

from numba import boolean, float64, int32, int64

from mutua.kernels.cuda import knn_columns, knn_null, knn_sums
from tests.kernels.cuda.lowered import ptx_of

_REALS, _LONGS, _ORDERS = float64[:, ::1], int64[:, ::1], int32[:, ::1]
_PLACES = int32[::1]


def _sums(n_neighbors: int, capacity: int) -> str:
    columns = _REALS, _ORDERS, _REALS, _REALS
    return ptx_of(
        knn_sums._kernel(n_neighbors, 128, capacity),
        *columns, _PLACES, _PLACES, _ORDERS, int64[::1], _REALS, int64, _LONGS,
    )  # fmt: skip


def main() -> None:
    """Print what each kernel keeps in local memory, and whether it uses shared memory."""
    of_pairs = _LONGS, _PLACES, float64, float64
    kept = boolean[::1], int64[::1], int64[::1], _REALS
    ptx = {
        "sort": ptx_of(knn_columns._sort, _REALS, _ORDERS),
        "few": _sums(3, 128),
        "global": _sums(3, 0),
        "many": _sums(100, 4096),
        "take_up": ptx_of(knn_null._take_up, *of_pairs, int64, float64[::1], *kept),
        "maxima": ptx_of(
            knn_null._maxima_kernel(256), *of_pairs, float64[::1], float64[::1], float64[::1]
        ),
    }
    for name, text in ptx.items():
        print(name, ".local" in text, "st.shared" in text)


main()
