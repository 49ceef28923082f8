"""Vectors of eight float64 numbers inside compiled kernels, one SIMD register or two.

Compilers turn loops over independent numbers into SIMD instructions by themselves, but not a
search that ends early, with a state of several numbers per lane that is to stay in registers. Such
kernels say with these functions what is done in all lanes at once. They work in code compiled by
numba only, on C-contiguous arrays, and check no bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.core.cgutils
import numba.extending
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.datamodel import models

__all__ = [
    "WIDTH",
    "distance",
    "farthest",
    "insert",
    "larger",
    "load",
    "minus",
    "n_less",
    "spread",
    "store",
]

WIDTH = 8
"""Numbers in a vector."""

cgutils: Any = numba.core.cgutils
intrinsic: Any = numba.extending.intrinsic
tuples: Any = types.UniTuple
Emit = Callable[..., Any]

_REAL = ir.DoubleType()
_VECTOR = ir.VectorType(_REAL, WIDTH)


class _Vector(types.Type):
    pass


_make: Any = _Vector
vector = _make(name=f"float64x{WIDTH}")


@numba.extending.register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, of_type: _Vector) -> None:
        super().__init__(manager, of_type, _VECTOR)  # type: ignore[no-untyped-call]


def _address(context: Any, builder: Any, of_array: Any, array: Any, index: Any) -> Any:
    data = context.make_array(of_array)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@intrinsic
def load(typing: Any, array: Any, index: Any) -> tuple[Any, Emit]:
    """Give the vector that begins at flat `index` of an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, array, *arguments), align=8)

    return vector(array, types.intp), emit


@intrinsic
def store(typing: Any, array: Any, index: Any, values: Any) -> tuple[Any, Emit]:
    """Write a vector to an array from flat `index` on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _address(context, builder, array, *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, values), emit


@intrinsic
def spread(typing: Any, value: Any) -> tuple[Any, Emit]:
    """Give a vector of one number in all lanes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return vector(types.float64), emit


def _spread(builder: Any, value: Any) -> Any:
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), zeros)


@intrinsic
def distance(typing: Any, a: Any, b: Any) -> tuple[Any, Emit]:
    """Give the absolute difference of two vectors, lane by lane."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        absolute = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.fabs.v{WIDTH}f64"
        )
        return builder.call(absolute, [builder.fsub(*arguments)])

    return vector(vector, vector), emit


@intrinsic
def minus(typing: Any, a: Any, b: Any) -> tuple[Any, Emit]:
    """Give the difference of two vectors, lane by lane."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fsub(*arguments)

    return vector(vector, vector), emit


@intrinsic
def larger(typing: Any, a: Any, b: Any) -> tuple[Any, Emit]:
    """Give the larger of two vectors, lane by lane."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _larger(builder, *arguments)

    return vector(vector, vector), emit


def _larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _lesser(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


@intrinsic
def n_less(typing: Any, a: Any, b: Any) -> tuple[Any, Emit]:
    """Count the lanes in which a is less than b."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = builder.bitcast(builder.fcmp_ordered("<", *arguments), ir.IntType(WIDTH))
        return builder.ctpop(builder.zext(lanes, ir.IntType(64)))

    return types.int64(vector, vector), emit


@intrinsic
def farthest(typing: Any, several: Any) -> tuple[Any, Emit]:
    """Give as many vectors of infinity, in a tuple, as the tuple `several` has members."""
    made = tuples(vector, len(several))

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        infinite = ir.Constant(_VECTOR, [float("inf")] * WIDTH)
        return context.make_tuple(builder, made, [infinite] * len(several))

    return made(several), emit


@intrinsic
def insert(typing: Any, least: Any, values: Any) -> tuple[Any, Emit]:
    """Give the least of the ascending vectors of a tuple and a vector more, ascending."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        members, rest = cgutils.unpack_tuple(builder, arguments[0]), arguments[1]
        kept = []
        for member in members:
            kept.append(_lesser(builder, member, rest))
            rest = _larger(builder, member, rest)
        return context.make_tuple(builder, least, kept)

    return least(least, vector), emit
