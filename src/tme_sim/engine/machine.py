"""Machine code straight from a tape, for one patient or for LANES patients at once.

Numba spends most of its time on reading Python; a recorded list of operations needs none of that, so the functions here
compile ten times faster than from source. The operations go to LLVM one by one, without fast-math: every result is
rounded once per operation, in scalar code as in vectors (on `lane_arrays`), so both give the same bits.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tme_sim.engine import tape as t
from tme_sim.engine.elementary import exp, log, power
from tme_sim.engine.lane_arrays import LANES
from tme_sim.engine.registers import wide
from tme_sim.engine.vector_elementary import vector_function
from tme_sim.engine.vector_kernels import array_data, of_lanes

VECTOR = types.float64[::1]
REAL = types.float64
NUMBER = ir.DoubleType()
NUMBERS = ir.VectorType(NUMBER, LANES)
WHOLE = ir.IntType(64)
PART = 200  # operations of one LLVM function; fewer make code that runs no slower but compiles no faster

# plain functions around the compiled ones: what the emitter can compile calls to
SCALAR_CALLS = {t.EXP: lambda x: exp(x), t.LOG: lambda x: log(x), t.POWER: lambda x, y: power(x, y)}
VECTOR_NAMES = {t.EXP: "exp", t.LOG: "log", t.POWER: "power"}


class Emitter:
    """Writes operations of a tape as LLVM instructions on `kind` (one number or LANES of them), in parts.

    outputs: {(array, index): value}. units: the operations as lists, each of plain ones or of one elementary function.
    A result is stored once it is known, unless its array is read too: then after everything has been read.

    LLVM takes more than twice the time for twice the code in one piece, so it gets functions of at most PART operations
    each. What one of them computes and a later one needs goes through memory (`scratch`), which changes no bit.
    """

    def __init__(self, context, builder, tape, outputs, kind, values, address):
        self.context, self.caller, self.tape, self.kind, self.address = context, builder, tape, kind, address
        self.values, self.late, self.early = values, [], {}
        both = {kind[1] for kind in tape.kinds if kind[0] == "input"}
        for place, value in outputs.items():
            if place[0] in both or not tape.is_operation(value):
                self.late.append((place, value))
            else:
                self.early.setdefault(value, []).append(place)

    def write(self, units, elementary):
        """Write all of it; `elementary(emitter, unit)` writes a unit of an elementary function."""
        parts = _parts(units)
        self.slots, size = _slots(self.tape, parts, {value for _, value in self.late})
        scratch = cgutils.alloca_once(self.caller, self.kind, size=max(size, 1))
        for number, part in enumerate(parts):
            self._open(scratch)
            for unit in part:
                if self.tape.kinds[unit[0]][0] in t.ELEMENTARY:
                    elementary(self, unit)
                else:
                    for value in unit:
                        self.compute(value)
            if number == len(parts) - 1:
                for _, value in self.late:
                    self.read(value)
                for place, value in self.late:
                    self.store(value, *place)
            self.builder.ret_void()

    def _open(self, scratch):
        """Begin the function of a part, and call it."""
        arguments = [*self.values, scratch]
        module = self.caller.module
        name = module.get_unique_name("tape_part")
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [a.type for a in arguments]), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        if self.kind is NUMBERS:
            wide(function)
        self.caller.call(function, arguments)
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        *self.arrays, self.scratch = function.args
        self.done = {}
        self.data = None

    def read(self, value):
        """Return the LLVM value of a recorded value, loading it where it is an input or was computed before."""
        if value not in self.done:
            what, *where = self.tape.kinds[value]
            if what == "constant":
                number = where[0]
                self.done[value] = ir.Constant(self.kind, number if self.kind is NUMBER else [number] * LANES)
            elif what == "input":
                self.done[value] = self.load(*where)
            else:
                self.done[value] = self.builder.load(self._place(value))
        return self.done[value]

    def _place(self, value):
        return self.builder.gep(self.scratch, [ir.Constant(WHOLE, self.slots[value])])

    def load(self, array, index):
        """Return the element of an array."""
        found = self.builder.load(self.address(self, array, index))
        found.align = 8
        return found

    def store(self, value, array, index):
        """Store a recorded value."""
        self.builder.store(self.read(value), self.address(self, array, index)).align = 8

    def finish(self, value, result):
        """Keep the result of an operation and store it where it is asked for."""
        self.done[value] = result
        if value in self.slots:
            self.builder.store(result, self._place(value))
        for place in self.early.get(value, ()):
            self.store(value, *place)

    def compute(self, value):
        """Emit a plain operation."""
        b = self.builder
        operation, *arguments = self.tape.kinds[value]
        x, y = (self.read(a) for a in (*arguments, arguments[0])[:2])
        emit = {
            t.ADD: lambda: b.fadd(x, y),
            t.SUBTRACT: lambda: b.fsub(x, y),
            t.MULTIPLY: lambda: b.fmul(x, y),
            t.DIVIDE: lambda: b.fdiv(x, y),
            t.NEGATE: lambda: b.fneg(x),
            t.MINIMUM: lambda: b.select(b.fcmp_ordered("<", y, x), y, x),  # as Python's min and max
            t.MAXIMUM: lambda: b.select(b.fcmp_ordered(">", y, x), y, x),
            t.SQUARE_ROOT: lambda: b.call(self._square_root(), [x]),
        }
        self.finish(value, emit[operation]())

    def call(self, function, signature, arguments):
        """Call a compiled plain function, which raises nothing, and return its LLVM value."""
        compiled = self.context.compile_subroutine(self.builder, function, signature)
        _, result = self.context.call_internal_no_propagate(self.builder, compiled.fndesc, signature, arguments)
        return result

    def _square_root(self):
        name = "llvm.sqrt.f64" if self.kind is NUMBER else f"llvm.sqrt.v{LANES}f64"
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(self.kind, [self.kind]), name)


def _parts(units):
    """Lists of units of about PART operations; a unit of plain operations may be cut."""
    parts, room = [[]], PART
    for unit in units:
        while unit:
            if room <= 0:
                parts.append([])
                room = PART
            head, unit = unit[:room], unit[room:]
            parts[-1].append(head)
            room -= len(head)
    return parts


def _slots(tape, parts, kept):
    """{value: scratch slot} of what a part computes and a later one reads (the last one reads `kept`), and the number
    of slots.
    """
    made = {value: number for number, part in enumerate(parts) for unit in part for value in unit}
    last = {value: len(parts) - 1 for value in kept if value in made}
    for number, part in enumerate(parts):
        for unit in part:
            for value in unit:
                for argument in tape.kinds[value][1:]:
                    if argument in made:
                        last[argument] = max(last.get(argument, 0), number)
    slots, free, size = {}, [], 0
    ends = [[] for _ in parts]
    for number, part in enumerate(parts):
        for value in (value for unit in part for value in unit):
            if last.get(value, number) > number:
                if free:
                    slots[value] = free.pop()
                else:
                    slots[value], size = size, size + 1
                ends[last[value]].append(slots[value])
        free += ends[number]  # read for the last time here, so free from the next part on
    return slots, size


def scalar_body(record, arrays):
    """Return a numba intrinsic of two or four arrays (names) that carries out what record() returns: (tape, outputs).

    outputs: {(array, index): value}. `record` is called when the code is made, not when it is read from a cache.
    """

    def emit(context, builder, signature, values):
        """Write the tape for one patient."""
        tape, outputs = record()

        def address(emitter, array, index):
            if emitter.data is None:
                emitter.data = {a: array_data(context, emitter.builder, k, v)
                                for a, k, v in zip(arrays, signature.args, emitter.arrays, strict=True)}
            return emitter.builder.gep(emitter.data[array], [ir.Constant(WHOLE, index)])

        def elementary(emitter, unit):
            for value in unit:
                operation, *arguments = tape.kinds[value]
                kind = REAL(*[REAL] * len(arguments))
                read = [emitter.read(a) for a in arguments]
                emitter.finish(value, emitter.call(SCALAR_CALLS[operation], kind, read))

        emitter = Emitter(context, builder, tape, outputs, NUMBER, values, address)
        emitter.write([[value] for value in tape.needed(outputs.values())], elementary)
        return context.get_dummy_value()

    if len(arrays) == 2:

        @intrinsic
        def body(typing_context, a, b):
            return types.void(a, b), emit

    else:

        @intrinsic
        def body(typing_context, a, b, c, d):
            return types.void(a, b, c, d), emit

    return body


def lane_body(record, slots, *then):
    """Return a numba intrinsic (w) that carries out what record() returns, (tape, outputs), on a lane array.

    slots: {array: first slot}; then: emitters of what follows (`vector_kernels.of_lanes`).
    """

    def emit(context, builder, signature, values):
        """Write the tape for LANES patients."""
        tape, outputs = record()

        def address(emitter, array, index):
            if emitter.data is None:
                emitter.data = array_data(context, emitter.builder, VECTOR, emitter.arrays[0])
            place = ir.Constant(WHOLE, (slots[array] + index) * LANES)
            return emitter.builder.bitcast(emitter.builder.gep(emitter.data, [place]), NUMBERS.as_pointer())

        def elementary(emitter, unit):
            for value in unit:
                operation, *arguments = tape.kinds[value]
                function = vector_function(builder.module, VECTOR_NAMES[operation], len(arguments))
                emitter.finish(value, emitter.builder.call(function, [emitter.read(a) for a in arguments]))

        units = tape.groups(outputs.values())
        Emitter(context, builder, tape, outputs, NUMBERS, values, address).write(units, elementary)
        return context.get_dummy_value()

    return of_lanes(emit, *then)
