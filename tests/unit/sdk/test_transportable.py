from __future__ import annotations

import json
import operator
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import covalent as ct
from covalent.errors import CloudpickleMismatchError, PythonMismatchError, TransportError, WireError
from covalent.transportable import TransportableObject, load
from covalent.wire import container

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def doubled(number: int) -> int:
    """Twice the number."""
    return 2 * number


@ct.electron
def decorated(number: int) -> int:
    return number + 1


def local_function() -> Callable[[int], int]:
    offset = 10
    return lambda number: number + offset


def rewritten(asset: TransportableObject, **changes: Any) -> TransportableObject:
    """The same parts under a header that claims something else."""
    data = asset.serialize()
    header = replace(container.read_header(data), **changes)
    parts = [data[start:end] for start, end in container.part_spans(data, container.read_header(data))]
    return TransportableObject.from_buffer(b"".join(container.pack(header, parts)))


@given(values)
def test_values_come_back_equal_by_every_way(value: object) -> None:
    asset = TransportableObject(value)
    for copy in (
        asset,
        TransportableObject.deserialize(asset.serialize()),
        TransportableObject.from_dict(json.loads(json.dumps(asset.to_dict()))),
        TransportableObject.deserialize_from_json(asset.serialize_to_json()),
        pickle.loads(pickle.dumps(asset)),  # noqa: S301 - written on the spot
    ):
        assert copy == asset
        assert copy.asset_id == asset.asset_id == container.digest(asset.chunks())
        assert copy.value_id == asset.value_id
        assert copy.size == len(asset.serialize())
        assert copy.object_string == asset.object_string
        back = copy.get_deserialized()
        assert repr(back) == repr(value)
        assert type(back) is type(value)


@pytest.mark.parametrize(
    ("value", "codec"),
    [
        ([1, {"a": None}], "json"),
        ("x" * 10_000, "pickle"),
        ((1, 2), "pickle"),
        (doubled, "reference"),
        (len, "reference"),
        (operator.add, "reference"),
        (dict, "reference"),
        (Path, "reference"),
        (lambda: 1, "pickle"),
        (decorated, "pickle"),
    ],
)
def test_the_codec_is_the_plainest_that_says_it_all(value: object, codec: str) -> None:
    assert TransportableObject(value).header.codec == codec


def test_headers_tell_what_is_known_without_opening() -> None:
    header = TransportableObject(doubled).header
    assert header["py_version"] == header.py_version == ".".join(map(str, sys.version_info[:3]))
    assert "codec" in header
    assert dict(header)["attrs"] == {"name": "doubled", "doc": "Twice the number."}
    with pytest.raises(KeyError):
        header["nothing"]
    asset = TransportableObject({"a": 1})
    assert (asset.json, asset.object_string, asset.header.type_name) == ('{"a":1}', "{'a': 1}", "dict")


def test_headers_alone_are_readable_but_cannot_be_opened() -> None:
    asset = TransportableObject((1, 2))
    for only in ({"header_only": True}, {"string_only": True}):
        known = TransportableObject.deserialize(asset.serialize(), **only)
        assert known.object_string == "(1, 2)"
        with pytest.raises(WireError):
            known.get_deserialized()


def test_large_arrays_lie_beside_the_pickle_and_come_back_writable() -> None:
    array = np.arange(10_000.0)
    asset = TransportableObject({"array": array})
    assert asset.header.sizes[1] == array.nbytes
    back = load(asset.serialize())["array"]
    back[0] = 7
    assert (back[1:] == array[1:]).all()


def test_zero_copy_arrays_lie_in_the_mapped_file(tmp_path: Path) -> None:
    array = np.arange(10_000.0)
    asset = TransportableObject(array, copy_buffers=False)
    asset.write(tmp_path / "asset")
    mapped = TransportableObject.from_file(tmp_path / "asset")
    assert mapped == asset
    back = mapped.get_deserialized(zero_copy=True)
    assert not back.flags.writeable
    assert back.ctypes.data % container.ALIGNMENT == 0
    assert (back == array).all()


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_arrays_of_numpy_2_open_where_numpy_has_no_such_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    written = TransportableObject({"numbers": np.arange(4.0), "turned": np.ones((2, 3)).T})
    monkeypatch.setitem(sys.modules, "numpy._core.numeric", None)
    opened = written.get_deserialized()
    assert opened["numbers"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert opened["turned"].shape == (3, 2)


def test_changing_an_array_later_changes_nothing_in_its_asset() -> None:
    array = np.zeros(1000)
    asset = TransportableObject(array)
    array[:] = 1
    assert container.digest(asset.chunks()) == asset.asset_id
    assert not asset.get_deserialized().any()


def test_empty_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(WireError, match="empty"):
        TransportableObject.from_file(tmp_path / "empty")


@pytest.mark.parametrize("plain", [None, [], {}, {"attributes": {}}, {"attributes": {"header": "{}", "parts": ["?"]}}])
def test_what_is_no_json_form_is_refused(plain: Any) -> None:
    with pytest.raises(WireError):
        TransportableObject.from_dict(plain)


def test_value_ids_look_past_the_header() -> None:
    asset = TransportableObject((1, 2))
    other = rewritten(asset, object_string="something else")
    assert other.asset_id != asset.asset_id
    assert other.value_id == asset.value_id
    assert TransportableObject((1, 3)).value_id != asset.value_id


def test_code_by_value_is_told_from_data() -> None:
    class Local:
        def method(self) -> int:
            return 1

    assert TransportableObject(local_function()).header.code
    assert TransportableObject([Local()]).header.code
    assert not TransportableObject((doubled, np.arange(3), Path())).header.code
    assert not TransportableObject((1, 2)).header.cloudpickle_version


def test_functions_by_value_open_with_what_they_close_over() -> None:
    assert TransportableObject(local_function()).get_deserialized()(1) == 11


def test_code_by_value_knows_the_file_that_it_stands_in() -> None:
    def outer() -> object:
        return lambda: 1

    opened = TransportableObject(outer).get_deserialized()
    assert opened.__code__.co_filename == __file__
    assert opened().__code__.co_filename == __file__
    assert TransportableObject("<dynamic-code>").get_deserialized() == "<dynamic-code>"


def test_code_of_another_python_is_not_opened() -> None:
    asset = rewritten(TransportableObject(local_function()), py_version="3.9.1")
    with pytest.raises(PythonMismatchError, match=r"CPython 3\.9"):
        asset.get_deserialized()
    with pytest.raises(PythonMismatchError):
        rewritten(TransportableObject(local_function()), implementation="PyPy").get_deserialized()


def test_data_and_references_of_another_python_are_opened() -> None:
    assert rewritten(TransportableObject((1, 2)), py_version="3.9.1").get_deserialized() == (1, 2)
    assert rewritten(TransportableObject(doubled), py_version="3.9.1").get_deserialized() is doubled


def test_what_a_newer_cloudpickle_wrote_is_not_opened() -> None:
    asset = TransportableObject(local_function())
    assert asset.header.cloudpickle_version == cloudpickle.__version__
    with pytest.raises(CloudpickleMismatchError, match="pip install"):
        rewritten(asset, cloudpickle_version="99.0").get_deserialized()
    assert rewritten(asset, cloudpickle_version="1.0").get_deserialized()(1) == 11


def test_references_lead_to_the_function_behind_an_electron() -> None:
    raw = decorated.electron_object.function
    asset = TransportableObject(raw)
    assert asset.header.codec == "reference"
    assert asset.get_deserialized() is raw


def test_electrons_functions_inside_other_payloads_travel_by_name_too() -> None:
    raw = decorated.electron_object.function
    asset = TransportableObject((raw, 1))
    assert not asset.header.code
    assert asset.get_deserialized()[0] is raw


def test_electrons_themselves_come_back_as_electrons() -> None:
    assert TransportableObject(decorated).get_deserialized() is decorated


def test_missing_modules_and_names_are_explained() -> None:
    def naming(name: str) -> TransportableObject:
        header = container.Header(codec="reference")
        return TransportableObject.packed(header, [name.encode()])

    with pytest.raises(TransportError, match="cannot be imported here"):
        naming("no_such_module_anywhere:f").get_deserialized()
    with pytest.raises(TransportError, match="another version"):
        naming("json:no_such_function").get_deserialized()


def test_modules_that_nobody_else_finds_travel_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("made_up_module")
    exec("def below(): return 5\ndef above(): return below() + 1", module.__dict__)  # noqa: S102 - makes the module
    monkeypatch.setitem(sys.modules, "made_up_module", module)
    asset = TransportableObject(module.above)
    assert asset.header.code
    monkeypatch.delitem(sys.modules, "made_up_module")
    assert asset.get_deserialized()() == 6


def test_the_package_itself_is_picklable() -> None:
    assert TransportableObject((ct,)).get_deserialized()[0] is ct
    assert pickle.loads(cloudpickle.dumps(ct)) is ct  # noqa: S301 - written on the spot


@pytest.mark.parametrize("codec", ["project", "unknown"])
def test_other_codecs_are_not_objects(codec: str) -> None:
    asset = TransportableObject.packed(container.Header(codec=codec), [b"x"])
    with pytest.raises(TransportError, match=codec):
        asset.get_deserialized()


def test_what_a_newer_writer_compressed_is_refused() -> None:
    with pytest.raises(TransportError, match="newer"):
        rewritten(TransportableObject((1,)), compression="zstd").get_deserialized()


def test_what_cannot_be_pickled_is_explained() -> None:
    with pytest.raises(TransportError, match="generator cannot be serialised"):
        TransportableObject(item for item in "x")


def test_nested_objects_open_in_lists_and_dicts() -> None:
    asset = TransportableObject(5)
    assert TransportableObject.deserialize_list([asset, [asset], 1]) == [5, [5], 1]
    assert TransportableObject.deserialize_dict({"a": {"b": asset}, "c": [asset]}) == {"a": {"b": 5}, "c": [5]}
    assert TransportableObject.make_transportable(asset) is asset
    assert TransportableObject.make_transportable(5) == asset


def test_origins_name_the_modules_that_a_payload_leans_on() -> None:
    origins = TransportableObject((doubled, np.arange(3))).origins
    assert {__name__, "numpy"} <= {name if name == __name__ else name.partition(".")[0] for name in origins.modules}
    assert TransportableObject(local_function()).origins.codes


def test_arrays_that_nobody_may_change_lie_in_the_container_and_others_are_copies() -> None:
    fixed, free = np.arange(4), np.arange(4)
    fixed.flags.writeable = False
    made = TransportableObject([fixed, free])
    assert made.header["readonly"] == (1,)
    first, second = made.get_deserialized(), made.get_deserialized()
    assert np.shares_memory(first[0], second[0])
    assert not first[0].flags.writeable
    first[1][0] = 7
    assert second[1][0] == 0
    assert TransportableObject([free]).header["readonly"] is None
