"""A pickle, read as data: a stack machine that can call only what it is given.

Python's own unpickler imports and calls whatever a file names. This one knows no
import, no attribute and no call but those of its table; other names are refused before
anything is made. What it makes are plain values: numbers, texts, bytes, lists, tuples,
dicts, and what the table's makers make of them.
"""

import pickletools
import struct

from sslzoo.errors import BadInput

LONG = 256  # A longer text or bytes stays in the file until it is asked for.
HASHED = (str, bytes, int, float, type(None))  # Tuples in tuples could hash for ever.
MARK = object()


class Maker:
    """What a name in a pickle stands for: `make(*arguments)` in its place."""

    def __init__(self, name, make):
        self.name, self.make = name, make


class Built:
    """What a pickle may hand a state to, by `build(state)`."""

    def build(self, state):
        raise NotImplementedError


class Text:
    """A long text, still in the file as UTF-8."""

    def __init__(self, view):
        self.view = view

    def __str__(self):
        return str(self.view, "utf-8", "surrogatepass")


def plain(word, what):
    """Raises unless it is a text: a tuple of tuples could be formatted for ever."""
    if not isinstance(word, str):
        raise ValueError(f"{what} is a {type(word).__name__}")


def unpickled(data, makers, origin, stored=None):
    """The value that the pickle `data` describes.

    Args:
        data: a view of bytes.
        makers: {"module.name": function} that may be called, or a Maker of one.
        origin: what to call the pickle in errors.
        stored: a function of what the pickle says of something kept beside it, a
            "persistent id"; without, none may be.
    """
    try:
        return _Machine(data, makers, origin, stored).run()
    except BadInput:
        raise
    except (IndexError, struct.error):
        raise BadInput(f"{origin} breaks off. Fetch it again.") from None
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise BadInput(f"{origin} is no pickle that makes sense: {error}.") from error


class _Machine:
    def __init__(self, data, makers, origin, stored):
        self.data, self.at, self.origin, self.stored = data, 0, origin, stored
        self.makers = {
            name: make if isinstance(make, Maker) else Maker(name, make)
            for name, make in makers.items()
        }
        self.stack, self.memo = [], {}

    def run(self):
        if self.take(1)[0] != PROTO or not 2 <= self.number("B") <= 5:
            raise BadInput(
                f"{self.origin} is no pickle of protocol 2 to 5; it begins with "
                f"{bytes(self.data[:8])!r}. Give the file as it was published."
            )
        while (code := self.take(1)[0]) != STOP:
            if code not in STEPS:
                known = pickletools.code2op.get(chr(code))
                word = f"the step {known.name}" if known else f"the byte {code:#x}"
                raise BadInput(
                    f"{self.origin} has {word} at {self.at - 1}, which a pickle of "
                    "arrays does not need. It was not read, and nothing was executed."
                )
            STEPS[code](self)
        return self.pop()

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise IndexError
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, kind):
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))[0]

    def line(self):
        end = bytes(self.data[self.at : self.at + LONG]).index(b"\n")
        return str(self.take(end + 1)[:-1], "utf-8")

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("it takes a mark for a value")
        return value

    def marked(self):
        """All that was pushed since the last mark."""
        start = len(self.stack) - 1
        while start >= 0 and self.stack[start] is not MARK:
            start -= 1
        values = self.stack[start + 1 :]
        if start < 0:
            raise IndexError
        del self.stack[start:]
        return values

    def popped(self, count):
        return [self.pop() for _ in range(count)][::-1]

    def text(self, kind):
        view = self.take(self.number(kind))
        self.push(str(Text(view)) if len(view) <= LONG else Text(view))

    def bytes(self, kind):
        view = self.take(self.number(kind))
        self.push(bytes(view) if len(view) <= LONG else view)

    def integer(self, kind):
        self.push(int.from_bytes(self.take(self.number(kind)), "little", signed=True))

    def remember(self, place):
        self.memo[place] = self.stack[-1]

    def recall(self, place):
        self.push(self.memo[place])

    def look_up(self, module, name):
        plain(module, "the module of a name")
        plain(name, "a name")
        name = f"{module}.{name}"
        if name not in self.makers:
            raise BadInput(
                f"{self.origin} names {name!r}, which is no array or plain container. "
                "Reading it as a pickle could run any code; it was refused, and "
                "nothing was executed. Do not trust the file, or fetch it again."
            )
        self.push(self.makers[name])

    def call(self):
        maker, arguments = self.popped(2)
        if not isinstance(maker, Maker) or not isinstance(arguments, tuple):
            raise ValueError(f"it calls a {type(maker).__name__}")
        self.push(maker.make(*arguments))

    def build(self):
        state = self.pop()
        value = self.stack[-1]
        if not isinstance(value, Built):
            raise ValueError(f"it gives a {type(value).__name__} a state")
        value.build(state)

    def add(self, values):
        if type(self.stack[-1]) is not list:
            raise ValueError("it appends to what is no list")
        self.stack[-1].extend(values)

    def set(self, values):
        if not isinstance(self.stack[-1], dict):
            raise ValueError("it sets items of what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, HASHED):
                raise ValueError(f"a {type(key).__name__} is a key")
            self.stack[-1][key] = value

    def fetch(self):
        if self.stored is None:
            raise ValueError("it refers to something beside it")
        self.push(self.stored(self.pop()))


PROTO, STOP = 0x80, ord(".")
STEPS = {
    PROTO: lambda m: m.number("B"),
    0x95: lambda m: m.number("Q"),  # FRAME
    ord("("): lambda m: m.push(MARK),
    ord("0"): lambda m: m.pop(),
    ord("1"): lambda m: m.marked(),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.number("B")),
    ord("M"): lambda m: m.push(m.number("H")),
    ord("J"): lambda m: m.push(m.number("i")),
    0x8A: lambda m: m.integer("B"),
    0x8B: lambda m: m.integer("i"),
    ord("G"): lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    0x8C: lambda m: m.text("B"),
    ord("X"): lambda m: m.text("I"),
    0x8D: lambda m: m.text("Q"),
    ord("C"): lambda m: m.bytes("B"),
    ord("B"): lambda m: m.bytes("I"),
    0x8E: lambda m: m.bytes("Q"),
    ord("]"): lambda m: m.push([]),
    ord("a"): lambda m: m.add(m.popped(1)),
    ord("e"): lambda m: m.add(m.marked()),
    ord(")"): lambda m: m.push(()),
    0x85: lambda m: m.push(tuple(m.popped(1))),
    0x86: lambda m: m.push(tuple(m.popped(2))),
    0x87: lambda m: m.push(tuple(m.popped(3))),
    ord("t"): lambda m: m.push(tuple(m.marked())),
    ord("}"): lambda m: m.push({}),
    ord("s"): lambda m: m.set(m.popped(2)),
    ord("u"): lambda m: m.set(m.marked()),
    ord("q"): lambda m: m.remember(m.number("B")),
    ord("r"): lambda m: m.remember(m.number("I")),
    0x94: lambda m: m.remember(len(m.memo)),
    ord("h"): lambda m: m.recall(m.number("B")),
    ord("j"): lambda m: m.recall(m.number("I")),
    ord("c"): lambda m: m.look_up(m.line(), m.line()),
    0x93: lambda m: m.look_up(*m.popped(2)),
    ord("R"): lambda m: m.call(),
    0x81: lambda m: m.call(),  # NEWOBJ: the same, of a class.
    ord("b"): lambda m: m.build(),
    ord("Q"): lambda m: m.fetch(),
}
