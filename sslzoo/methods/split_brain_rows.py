"""What each row of Split-Brain's tables shows a network, and what it asks of it.

A row is one or more passes of an image through one network; each pass shows all of the
colours or a part, and asks one or two answers, each of all channels or of a half.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is asked of a network: `of` which of its channels, and how it is scored."""

    target: str  # "L", "ab", "Lab" or "HHA"
    loss: str  # "cl" or "reg"
    of: str = "all"  # or "first", or "rest": a half
    weight: float = 1.0

    @property
    def name(self):
        return f"{self.target}_{self.loss}"


@dataclasses.dataclass(frozen=True)
class Pass:
    """One way of an image through the network: what of it is `shown`, what is asked."""

    shown: str  # "all", or "L" or "ab" with zeros for the rest, or "dropped"
    asked: tuple[Answer, ...]


@dataclasses.dataclass(frozen=True)
class Row:
    sees: str  # what the backbone takes of an image: "Lab", "L", "ab", "RGB" or "HHA"
    passes: tuple[Pass, ...]
    shared: bool = False  # one head of L, a and b says all


def rows(ab, light, mix):
    """Every row of the paper by its name.

    Args:
        ab, light: the loss of ab and of L, "cl" or "reg", where the row leaves it open.
        mix: lambda.
    """

    def one(sees, *asked, shown="all"):
        return Row(sees, (Pass(shown, asked),))

    both = (Pass("L", (Answer("ab", "reg"),)), Pass("ab", (Answer("L", "reg"),)))
    every = (
        Pass("L", (Answer("ab", "reg", weight=mix),)),
        Pass("ab", (Answer("L", "reg", weight=mix),)),
        Pass("all", (Answer("Lab", "reg", weight=1 - 2 * mix),)),
    )
    return {
        "split": one("Lab", Answer("ab", ab, "first"), Answer("L", light, "rest")),
        "ensemble": one("L", Answer("ab", "cl", "first"), Answer("ab", "reg", "rest")),
        "L_ab": one("L", Answer("ab", ab)),
        "ab_L": one("ab", Answer("L", light)),
        "Lab_Lab": one("Lab", Answer("Lab", "reg")),
        "drop50": one("Lab", Answer("Lab", "reg"), shown="dropped"),
        "equation4": Row("Lab", both, shared=True),
        "equation5": Row("Lab", every, shared=True),
        "RGB_HHA": one("RGB", Answer("HHA", "reg")),
        # So that both branches send gradients of one size into pool5.
        "HHA_Lab": one("HHA", Answer("L", "reg"), Answer("ab", "cl", weight=200.0)),
    }


ROWS = tuple(rows("cl", "cl", 1 / 3))


USED = {  # The rows that use a setting, and what it is where it was not given.
    "ab": (("split", "L_ab"), "cl"),
    "light": (("split", "ab_L"), "cl"),
    "mix": (("equation5",), 1 / 3),
    "drop": (("drop50",), "element"),
    "keep_scale": (("drop50",), True),
    "literal": (("equation4",), False),
}
