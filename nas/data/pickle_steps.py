"""A machine for the steps of a pickle that calls nothing and takes no more memory than its file.

A pickle is a program for a machine with a stack: every opcode is a step. It may name any function
to be called, and promise any number of bytes. This machine looks names up in a table that it is
given, and believes no promise.
"""

import pickle
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, BinaryIO

#: steps of a pickle, of which CIFAR-100 has a quarter, and bytes of a name
MOST_STEPS, MOST_NAME = 1_000_000, 100

#: opcode -> how the number that follows it is written
INTEGERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H"}
BYTES = {pickle.SHORT_BINSTRING: "<B", pickle.BINSTRING: "<I", pickle.SHORT_BINBYTES: "<B"}
BYTES |= {pickle.BINBYTES: "<I", pickle.BINBYTES8: "<Q"}
TEXTS = {pickle.SHORT_BINUNICODE: "<B", pickle.BINUNICODE: "<I"}
PUTS = {pickle.BINPUT: "<B", pickle.LONG_BINPUT: "<I"}
GETS = {pickle.BINGET: "<B", pickle.LONG_BINGET: "<I"}
SKIPPED = {pickle.PROTO: "<B", pickle.FRAME: "<Q"}
#: opcode -> what it pushes, what it makes, of how many values
CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False}
EMPTY = {pickle.EMPTY_LIST: list, pickle.EMPTY_DICT: dict, pickle.EMPTY_TUPLE: tuple}
SHORT_TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}

#: what steps raise that do not fit together
MISFIT = (IndexError, KeyError, TypeError, ValueError, struct.error)


class UnsuitableError(Exception):
    """What a pickle holds that it should not, as the end of a sentence."""


class Machine(ABC):
    """Does one step after another. What names, calls and states mean, subclasses say."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._left = stream, size
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        """The stacks below each mark."""
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What the pickle holds; UnsuitableError, or one of MISFIT."""
        for _ in range(MOST_STEPS):
            opcode = self.take(1)
            if opcode == pickle.STOP:
                return self.stack.pop()
            if opcode not in STEPS:
                raise UnsuitableError(f"it has the opcode {opcode!r}")
            STEPS[opcode](self, opcode)
        raise UnsuitableError(f"it has more than {MOST_STEPS:,} steps")

    @abstractmethod
    def named(self, name: str) -> Any:
        """What `module.attribute` stands for."""

    @abstractmethod
    def called(self, function: Any, arguments: Any) -> Any:
        """What calling something named makes."""

    @abstractmethod
    def fill(self, target: Any, state: Any) -> None:
        """Give something that was made its state."""

    def take(self, count: int) -> bytes:
        """The next bytes; nothing is reserved for bytes that the file has not."""
        if count > self._left:
            raise UnsuitableError("it ends before what it promises")
        self._left -= count
        return self._stream.read(count)

    def number(self, form: str) -> int:
        """The next number."""
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        """The next bytes until the end of the line."""
        line = self._stream.readline(min(MOST_NAME, self._left))
        self._left -= len(line)
        if not line.endswith(b"\n"):
            raise UnsuitableError("it asks for a name without end")
        return line[:-1].decode("ascii", "replace")

    def mark(self) -> None:
        """Begin a stack of its own."""
        self._below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """The values since the last mark, which are taken away."""
        below = self._below.pop()
        values, self.stack = self.stack, below
        return values


def push_mark(machine: Machine, _: bytes) -> None:
    machine.mark()


def push_integer(machine: Machine, opcode: bytes) -> None:
    machine.stack.append(machine.number(INTEGERS[opcode]))


def push_long_integer(machine: Machine, _: bytes) -> None:
    digits = machine.take(machine.number("<B"))
    machine.stack.append(int.from_bytes(digits, "little", signed=True))


def push_bytes(machine: Machine, opcode: bytes) -> None:
    machine.stack.append(machine.take(machine.number(BYTES[opcode])))


def push_text(machine: Machine, opcode: bytes) -> None:
    machine.stack.append(machine.take(machine.number(TEXTS[opcode])).decode("utf-8"))


def push_constant(machine: Machine, opcode: bytes) -> None:
    machine.stack.append(CONSTANTS[opcode])


def push_empty(machine: Machine, opcode: bytes) -> None:
    machine.stack.append(EMPTY[opcode]())


def push_short_tuple(machine: Machine, opcode: bytes) -> None:
    count = SHORT_TUPLES[opcode]
    machine.stack[-count:] = [tuple(machine.stack[-count:])]


def push_tuple(machine: Machine, _: bytes) -> None:
    values = machine.since_mark()
    machine.stack.append(tuple(values))


def append(machine: Machine, _: bytes) -> None:
    extend_top(machine, [machine.stack.pop()])


def append_all(machine: Machine, _: bytes) -> None:
    extend_top(machine, machine.since_mark())


def extend_top(machine: Machine, values: list[Any]) -> None:
    """Put values into the list on top of the stack."""
    if not isinstance(machine.stack[-1], list):
        raise UnsuitableError("it appends to what is no list")
    machine.stack[-1].extend(values)


def set_item(machine: Machine, _: bytes) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    update_top(machine, [key, value])


def set_items(machine: Machine, _: bytes) -> None:
    update_top(machine, machine.since_mark())


def update_top(machine: Machine, values: list[Any]) -> None:
    """Put keys and values in turn into the dictionary on top; a key of tuples of tuples would take
    for ever to look up."""
    keys = values[::2]
    if not isinstance(machine.stack[-1], dict):
        raise UnsuitableError("it sets items of what is no dictionary")
    if not all(isinstance(key, bytes | str) for key in keys):
        raise UnsuitableError("it has keys that are no words")
    machine.stack[-1].update(zip(keys, values[1::2], strict=True))


def put(machine: Machine, opcode: bytes) -> None:
    machine.memo[machine.number(PUTS[opcode])] = machine.stack[-1]


def put_next(machine: Machine, _: bytes) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def get(machine: Machine, opcode: bytes) -> None:
    machine.stack.append(machine.memo[machine.number(GETS[opcode])])


def skip(machine: Machine, opcode: bytes) -> None:
    machine.number(SKIPPED[opcode])


def push_name_of_lines(machine: Machine, _: bytes) -> None:
    machine.stack.append(machine.named(f"{machine.line()}.{machine.line()}"))


def push_name_of_stack(machine: Machine, _: bytes) -> None:
    attribute, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(module, str) or not isinstance(attribute, str):
        raise UnsuitableError("it asks for a name that is no text")
    machine.stack.append(machine.named(f"{module[:MOST_NAME]}.{attribute[:MOST_NAME]}"))


def call(machine: Machine, _: bytes) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.called(function, arguments))


def build(machine: Machine, _: bytes) -> None:
    state = machine.stack.pop()
    machine.fill(machine.stack[-1], state)


STEPS: dict[bytes, Callable[[Machine, bytes], None]] = {
    pickle.MARK: push_mark,
    **dict.fromkeys(INTEGERS, push_integer),
    pickle.LONG1: push_long_integer,
    **dict.fromkeys(BYTES, push_bytes),
    **dict.fromkeys(TEXTS, push_text),
    **dict.fromkeys(CONSTANTS, push_constant),
    **dict.fromkeys(EMPTY, push_empty),
    **dict.fromkeys(SHORT_TUPLES, push_short_tuple),
    pickle.TUPLE: push_tuple,
    pickle.APPEND: append,
    pickle.APPENDS: append_all,
    pickle.SETITEM: set_item,
    pickle.SETITEMS: set_items,
    **dict.fromkeys(PUTS, put),
    pickle.MEMOIZE: put_next,
    **dict.fromkeys(GETS, get),
    **dict.fromkeys(SKIPPED, skip),
    pickle.GLOBAL: push_name_of_lines,
    pickle.STACK_GLOBAL: push_name_of_stack,
    pickle.REDUCE: call,
    pickle.BUILD: build,
}
