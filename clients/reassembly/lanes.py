"""Sixteen floats side by side, for loops that Numba's compiler does not put into vector instructions by itself.

In compiled functions, lanes are added, subtracted and multiplied like numbers, also with a float32, which then stands
in every lane. LLVM makes of them whatever the machine has: one register with AVX-512, two with AVX2, four with NEON.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

#: How many floats there are. With AVX2, two registers of eight are faster than one.
WIDTH = 16
#: Instructions may be reordered and fused, as in everything that `clients.reassembly.jit` compiles.
FAST = ("fast",)
INDEX = ir.IntType(32)


#: Lanes in a compiled function.
Lanes = Any


def instruction(build: Callable) -> Any:
    """A function for compiled functions only, which `build` types and builds."""
    return intrinsic(build)


class LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(f"Lanes{WIDTH}")


LANES = LanesType()
FLOATS = ir.VectorType(ir.FloatType(), WIDTH)
INTEGERS = ir.VectorType(INDEX, WIDTH)
BYTES, TWICE_BYTES = (ir.VectorType(ir.IntType(8), count) for count in (WIDTH, 2 * WIDTH))


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: LanesType) -> None:
        super().__init__(manager, lanes, FLOATS)


def lesser(a: Lanes, b: Lanes) -> Lanes:
    """The smaller one in each lane; for compiled functions only."""
    raise NotImplementedError


def greater(a: Lanes, b: Lanes) -> Lanes:
    """The larger one in each lane; for compiled functions only."""
    raise NotImplementedError


def _defined(function: Callable, emit: Callable) -> None:
    """Define a function of two operands, of which one may be a float32, by the instructions that `emit` builds."""

    @type_callable(function)
    def typed(context: Any) -> Callable:
        return lambda a, b: LANES if {a, b} in ({LANES}, {LANES, types.float32}) else None

    def lowered(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        pairs = zip(operands, signature.args, strict=True)
        return emit(builder, *(value if type_ == LANES else _splat(builder, value) for value, type_ in pairs))

    for operand_types in ((LanesType, LanesType), (LanesType, types.Float), (types.Float, LanesType)):
        lower_builtin(function, *operand_types)(lowered)


def _splat(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(FLOATS, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(INTEGERS, [0] * WIDTH))


def _chosen(comparison: str) -> Callable:
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(comparison, a, b, flags=FAST), a, b)


for _operator in (operator.add, operator.iadd):
    _defined(_operator, lambda builder, a, b: builder.fadd(a, b, flags=FAST))
_defined(operator.sub, lambda builder, a, b: builder.fsub(a, b, flags=FAST))
_defined(operator.mul, lambda builder, a, b: builder.fmul(a, b, flags=FAST))
_defined(lesser, _chosen("<"))
_defined(greater, _chosen(">"))


@instruction
def load(typing: Any, row: Any, at: Any) -> Any:
    """The lanes from row[at] on, of a contiguous row of bytes or float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if row.dtype == types.float32:
            return builder.load(_address(context, builder, signature, arguments, FLOATS), align=4)
        return builder.uitofp(builder.load(_address(context, builder, signature, arguments, BYTES), align=1), FLOATS)

    return LANES(row, types.intp), generate


@instruction
def load_pairs(typing: Any, row: Any, at: Any) -> Any:
    """Twice as many bytes from row[at] on: the first, third, … of them, and the second, fourth, …."""
    pair = types.UniTuple(LANES, 2)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        both = builder.load(_address(context, builder, signature, arguments, TWICE_BYTES), align=1)
        each = [ir.Constant(INTEGERS, [2 * lane + odd for lane in range(WIDTH)]) for odd in (0, 1)]
        halves = [builder.shuffle_vector(both, ir.Constant(TWICE_BYTES, ir.Undefined), lanes) for lanes in each]
        return context.make_tuple(builder, pair, [builder.uitofp(half, FLOATS) for half in halves])

    return pair(row, types.intp), generate


@instruction
def put(typing: Any, row: Any, at: Any, lanes: Any) -> Any:
    """Write lanes to a contiguous row of float32 from row[at] on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _address(context, builder, signature, arguments, FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(row, types.intp, lanes), generate


@instruction
def store(typing: Any, row: Any, at: Any, lanes: Any) -> Any:
    """Write lanes, from 0 to 255, as bytes from row[at] on. Fractions are cut off."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments, BYTES)
        builder.store(_bytes(builder, arguments[2]), address, align=1)
        return context.get_dummy_value()

    return types.void(row, types.intp, lanes), generate


@instruction
def store_pairs(typing: Any, row: Any, at: Any, lanes: Any, others: Any) -> Any:
    """Do the same with two in turn: the first of each, the second of each, …."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        turns = [number // 2 + number % 2 * WIDTH for number in range(2 * WIDTH)]
        order = ir.Constant(ir.VectorType(INDEX, 2 * WIDTH), turns)
        both = builder.shuffle_vector(_bytes(builder, arguments[2]), _bytes(builder, arguments[3]), order)
        builder.store(both, _address(context, builder, signature, arguments, TWICE_BYTES), align=1)
        return context.get_dummy_value()

    return types.void(row, types.intp, lanes, others), generate


def _bytes(builder: Any, lanes: Any) -> Any:
    return builder.trunc(builder.fptosi(lanes, INTEGERS), BYTES)


def _address(context: Any, builder: Any, signature: Any, arguments: Any, vector: ir.VectorType) -> Any:
    """Where the vector begins, given the row and the place in it as first arguments."""
    row = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(row.data, [arguments[1]]), vector.as_pointer())


def _reduced(name: str) -> Callable:
    @instruction
    def reduced(typing: Any, lanes: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind, full_name = ir.FunctionType(ir.FloatType(), [FLOATS]), f"llvm.vector.reduce.{name}.v{WIDTH}f32"
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, full_name), arguments)

        return types.float32(lanes), generate

    return reduced


#: The smallest and the largest of the lanes, as a float32.
smallest, largest = _reduced("fmin"), _reduced("fmax")
