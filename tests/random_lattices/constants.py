"""Constants of many kinds, as text that the names of the prelude give a meaning to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st

from tests.random_lattices.language import Constant

_WHOLE: Final = st.integers(-3, 12).map(str)
_FLOAT: Final = st.floats(allow_nan=True, width=32).map(lambda value: f"float({str(value)!r})")
_TEXT: Final = st.text(max_size=4).map(repr)

#: Of these, keys of dicts and members of sets are made too.
HASHABLE: Final[Mapping[str, st.SearchStrategy[str]]] = {
    "int": _WHOLE,
    "None": st.just("None"),
    "bool": st.sampled_from(["False", "True"]),
    "str": _TEXT,
    "large int": st.integers(2**53 - 2, 2**70).map(str),
    "bytes": st.binary(max_size=4).map(repr),
    "tuple": st.lists(st.one_of(_WHOLE, _TEXT), max_size=3).map(lambda items: f"({''.join(f'{i}, ' for i in items)})"),
    "frozenset": st.sets(_WHOLE, max_size=3).map(lambda items: f"frozenset([{', '.join(sorted(items))}])"),
    "complex": st.tuples(_WHOLE, _WHOLE).map(lambda parts: f"complex({parts[0]}, {parts[1]})"),
    "decimal": st.decimals(places=2, min_value=-9, max_value=9).map(lambda value: f"decimal.Decimal('{value}')"),
    "fraction": st.tuples(_WHOLE, st.integers(1, 9)).map(lambda parts: f"fractions.Fraction({parts[0]}, {parts[1]})"),
    "date": st.dates().map(lambda day: f"dt.date({day.year}, {day.month}, {day.day})"),
    "timedelta": st.integers(-9, 9).map(lambda days: f"dt.timedelta(days={days})"),
    "moment": st.datetimes().map(lambda at: f"dt.datetime.fromisoformat('{at.isoformat()}+00:00')"),
    "uuid": st.uuids().map(lambda value: f"uuid.UUID('{value}')"),
    "path": st.sampled_from(["pathlib.PurePosixPath('a/b')", "pathlib.PurePosixPath('/')"]),
    "range": st.tuples(_WHOLE, _WHOLE).map(lambda ends: f"range({ends[0]}, {ends[1]})"),
    "enum": st.sampled_from(["Colour.RED", "Colour.BLUE"]),
    "point": st.tuples(_WHOLE, _TEXT).map(lambda parts: f"Point({parts[0]}, {parts[1]})"),
    "named tuple": st.tuples(_TEXT, _WHOLE).map(lambda parts: f"Pair({parts[0]}, {parts[1]})"),
    "type": st.sampled_from(["int", "Point", "np.ndarray"]),
    "function": st.sampled_from(["len", "same"]),
    "ellipsis": st.just("..."),
}
_PLAIN: Final = st.recursive(
    st.one_of(*HASHABLE.values(), _FLOAT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, max_size=3).map(lambda items: f"({''.join(f'{item}, ' for item in items)})"),
        st.lists(st.tuples(st.one_of(_WHOLE, _TEXT), inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: f"{{{', '.join(f'{key}: {item}' for key, item in pairs)}}}"
        ),
    ),
    max_leaves=4,
)
#: Values that cannot be keys, besides those that can.
KINDS: Final[Mapping[str, st.SearchStrategy[str]]] = {
    **HASHABLE,
    "float": _FLOAT,
    "long str": st.integers(255, 259).map(lambda size: f"'x' * {size}"),
    "nested": _PLAIN,
    "set": st.sets(_WHOLE, max_size=3).map(lambda items: f"set([{', '.join(sorted(items))}])"),
    "bytearray": st.binary(max_size=3).map(lambda data: f"bytearray({data!r})"),
    "slice": st.tuples(_WHOLE, _WHOLE).map(lambda ends: f"slice({ends[0]}, {ends[1]})"),
    "ordered dict": _TEXT.map(lambda key: f"collections.OrderedDict([({key}, 1), (2, [3])])"),
    "deque": _WHOLE.map(lambda item: f"collections.deque([{item}, 'b'], maxlen=5)"),
    "counter": st.sampled_from(["collections.Counter('aab')"]),
    "array": st.sampled_from(
        ["np.arange(3)", "np.arange(4.0).reshape(2, 2)", "np.array(['a', 'bc'])", "np.zeros((0, 2))"]
    ),
    "array scalar": st.sampled_from(["np.float64(2.5)", "np.int32(7)", "np.bool_(True)"]),
    "exception": _TEXT.map(lambda text: f"ValueError({text}, 1)"),
}  # fmt: skip


@st.composite
def constants(draw: st.DrawFn, *, hashable: bool = False) -> Constant:
    """A constant of any kind."""
    kinds = HASHABLE if hashable else KINDS
    kind = draw(st.sampled_from(list(kinds)))
    return Constant(kind=kind, text=draw(kinds[kind]))
