"""What is drawn of a graph, and what a drawing says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import covalent as ct
from covalent import markup
from covalent.drawing import Drawing
from covalent.drawing.grouping import MAX_BOXES, sketched
from covalent.errors import GraphError
from covalent.lattice import Lattice
from covalent.wire.manifest import Graph, GraphAttributes, Kind, Link, Metadata, Node
from tests.architecture.tree import ROOT

SVG = "{http://www.w3.org/2000/svg}"
KINDS = tuple(Kind)


def a_graph(
    names: Sequence[str], pairs: Sequence[tuple[int, int]] = (), *, waits: Sequence[tuple[int, int]] = ()
) -> Graph:
    links = [Link(source=source, target=target, edge_name="x") for source, target in pairs]
    links += [Link(source=source, target=target, param_type="wait") for source, target in waits]
    nodes = [Node(id=number, name=name, function="0" * 64) for number, name in enumerate(names)]
    attributes = GraphAttributes(name="workflow", output={"node": len(nodes) - 1} if nodes else None)
    return Graph(graph=attributes, nodes=tuple(nodes), links=tuple(links))


def parsed(drawing: Drawing) -> ET.Element:
    return ET.fromstring(drawing.svg)  # noqa: S314  what is tested is that it is harmless


def texts(graph: Graph) -> list[str]:
    """The words of a drawing's boxes."""
    return [
        text
        for box in parsed(Drawing(graph)).iter(f"{SVG}text")
        if box.find(f"{SVG}tspan") is not None
        for text in box.itertext()
    ]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    anything = st.text(st.characters(), max_size=40)
    count = draw(st.integers(1, 90))
    few = draw(
        st.lists(
            st.tuples(anything, st.sampled_from(KINDS), st.sampled_from(["local", "dask"])), min_size=1, max_size=4
        )
    )
    chosen = draw(st.lists(st.sampled_from(few), min_size=count, max_size=count))
    nodes = [
        Node(id=number, name=name, function="0" * 64, kind=kind, metadata=Metadata(executor=executor))
        for number, (name, kind, executor) in enumerate(chosen)
    ]
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    links = draw(st.lists(st.builds(_link, ends, anything, st.booleans()), max_size=90)) if count > 1 else []
    attributes = GraphAttributes(name=draw(anything), output={"node": draw(st.integers(0, count - 1))})
    return Graph(graph=attributes, nodes=tuple(nodes), links=tuple(links))


def _link(ends: tuple[int, int], name: str, waits: bool) -> Link:
    return Link(source=ends[0], target=ends[1], edge_name=name, param_type="wait" if waits else "arg")


@given(graph=graphs())
def test_every_task_is_in_one_box_and_every_link_in_one_arrow(graph: Graph) -> None:
    sketch = sketched(graph)
    assert len(sketch.boxes) <= MAX_BOXES
    assert sorted(node.id for box in sketch.boxes for node in box.members) == list(range(len(graph.nodes)))
    box_of = {node.id: number for number, box in enumerate(sketch.boxes) for node in box.members}
    links = defaultdict(list)
    for link in graph.links:
        links[box_of[link.source], box_of[link.target]].append(link)
    arrows = {(arrow.source, arrow.target): arrow for arrow in sketch.arrows}
    assert arrows.keys() == {pair for pair in links if pair[0] != pair[1]}
    for pair, arrow in arrows.items():
        assert pair[0] < pair[1]
        assert arrow.waits == all(link.param_type == "wait" for link in links[pair])
        assert set(arrow.parameters) == {link.edge_name for link in links[pair] if link.param_type != "wait"}
    for number, box in enumerate(sketch.boxes):
        assert box.connected == ((number, number) in links)


@given(graph=graphs())
def test_a_drawing_is_well_formed_whatever_the_names_are(graph: Graph) -> None:
    drawing = Drawing(graph)
    root, sketch = parsed(drawing), sketched(graph)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "g", "text", "tspan", "path", "rect", "polygon"),
    }
    assert not {name for element in root.iter() for name in element.attrib if name.startswith(("on", "href", "id"))}
    shown = [element.text for element in root.iter(f"{SVG}text") if element.find(f"{SVG}tspan") is not None]
    for box, name in zip(sketch.boxes, shown, strict=True):
        names = {node.name for node in box.members}
        if len(names) == 1:
            assert (name or "") == markup.cut(names.pop(), 30)
        else:
            assert name == f"{len(names)} functions" or all(markup.cut(part, 30) in str(name) for part in names)
    lines = [element for element in root.iter(f"{SVG}path") if element.get("stroke")]
    assert len(lines) == len(sketch.arrows)
    assert sum("stroke-dasharray" in line.attrib for line in lines) == sum(arrow.waits for arrow in sketch.arrows)


def test_a_small_graph_is_drawn_task_by_task_and_says_which_gives_the_result() -> None:
    assert texts(a_graph(["load", "fit", "fit"], [(0, 1), (0, 2)])) == [
        *("load", "task 0"),
        *("fit", "task 1"),
        *("fit", "task 2 → result"),
    ]


def test_tasks_of_one_function_with_the_same_neighbours_share_a_box_when_they_are_many() -> None:
    names = ["square"] * 20 + ["sum"]
    assert texts(a_graph(names, [(number, 20) for number in range(20)])) == [
        "square",
        "20 tasks",
        "sum",
        "task 20 → result",
    ]


def test_what_has_other_neighbours_has_a_box_of_its_own() -> None:
    names = ["step"] * 26 + ["left", "right"]
    pairs = [(number, 26 if number < 13 else 27) for number in range(26)]
    assert texts(a_graph(names, pairs))[:4] == ["step", "13 tasks", "step", "13 tasks"]


def test_a_long_chain_is_one_box_of_connected_tasks() -> None:
    graph = a_graph(["check", "step"] * 5000, [(number, number + 1) for number in range(9999)])
    assert texts(graph) == ["check, step", "10,000 tasks, connected → result"]
    assert sketched(graph).arrows == ()


def test_ten_thousand_functions_are_one_box() -> None:
    names = [f"f{number}" for number in range(10_000)]
    assert texts(a_graph(names, [(number // 2, number) for number in range(1, 10_000)]))[0] == "10,000 functions"


def test_ten_thousand_tasks_make_a_small_drawing() -> None:
    names = ["simulate"] * 5000 + ["analyse"] * 5000 + ["best"]
    pairs = [(number, number + 5000) for number in range(5000)] + [(number, 10_000) for number in range(5000, 10_000)]
    graph = a_graph(names, pairs)
    assert len(Drawing(graph).svg) < 5000
    assert texts(graph)[1::2] == ["5,000 tasks", "5,000 tasks", "task 10000 → result"]
    assert "10,001 tasks; alike ones share a box" in Drawing(graph).svg


def test_kinds_differ_by_shape_and_by_word() -> None:
    shapes = set()
    for kind in KINDS:
        graph = a_graph(["name"])
        drawing = Drawing(replace(graph, nodes=(replace(graph.nodes[0], kind=kind),)))
        outlines = [
            (element.tag, element.get("rx"))
            for element in parsed(drawing).iter()
            if element.tag in {f"{SVG}rect", f"{SVG}polygon"}
        ]
        shapes.add(tuple(outlines))
        assert f">{kind} 0 → result<" in drawing.svg
    assert len(shapes) == len(KINDS)


def test_executors_are_told_where_there_are_several() -> None:
    graph = a_graph(["one", "two"])
    assert "local" not in "".join(texts(graph))
    far = replace(graph.nodes[1], metadata=Metadata(executor="slurm"))
    assert texts(replace(graph, nodes=(graph.nodes[0], far)))[1::2] == ["task 0 · local", "task 1 · slurm → result"]


def test_waiting_is_dashed_and_said_so() -> None:
    drawing = Drawing(a_graph(["one", "two"], waits=[(0, 1)]))
    assert drawing.svg.count("stroke-dasharray") == 1
    assert "2 tasks; dashed: waits for, takes no value" in drawing.svg
    assert "dashed" not in Drawing(a_graph(["one", "two"], [(0, 1)], waits=[(0, 1)])).svg


def test_a_drawing_has_a_title_for_those_who_do_not_see_it() -> None:
    root = parsed(Drawing(a_graph(["one"])))
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "Transport graph of workflow: 1 task"


def test_white_words_can_be_read_on_every_ground_and_grey_ones_on_every_page() -> None:
    graph = a_graph(["name"] * len(KINDS), [(0, 1)])
    nodes = tuple(replace(node, kind=kind) for node, kind in zip(graph.nodes, KINDS, strict=True))
    drawing = parsed(Drawing(replace(graph, nodes=nodes)))
    grounds = {str(shape.get("fill")) for tag in ("rect", "polygon") for shape in drawing.iter(f"{SVG}{tag}")} - {
        "none"
    }
    assert len(grounds) == len(KINDS)
    assert all(_contrast("#ffffff", ground) >= 4.5 for ground in grounds)
    greys = {str(element.get("fill")) for element in drawing.iter(f"{SVG}text")} - {"#fff", "None"}
    assert greys
    assert all(_contrast(page, grey) >= 4 for grey in greys for page in ("#ffffff", "#111111"))


def _contrast(one: str, other: str) -> float:
    """As the guidelines for accessible content of the W3C define it, from 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(pair, 16) / 255 for pair in re.findall("..", colour[1:])]
    red, green, blue = (share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_equal_graphs_are_drawn_equally() -> None:
    graph = a_graph([f"f{number}" for number in range(9)], list(combinations(range(9), 2)))
    assert Drawing(graph).svg == Drawing(replace(graph)).svg


def test_a_graph_without_tasks_is_drawn_too() -> None:
    assert "0 tasks" in Drawing(a_graph([])).svg


@pytest.mark.parametrize(
    ("pairs", "message"),
    [([(0, 2)], "numbered 0 to 1"), ([(0, 1), (1, 0)], "wait for each other")],
)
def test_a_graph_that_cannot_be_says_what_is_wrong_with_it(pairs: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Drawing(a_graph(["one", "two"], pairs)).svg  # noqa: B018  it is drawn when it is asked for


# -- from a lattice


@ct.electron
def square(x: int) -> int:
    return x * x


@ct.electron
def total(values: list[int]) -> int:
    return sum(values)


@pytest.fixture
def workflow() -> Lattice[...]:
    @ct.lattice
    def sum_of_squares(n: int) -> int:
        return total([square(x) for x in range(n)])

    return sum_of_squares


def test_a_lattice_draws_the_graph_that_the_arguments_give_and_stays_as_it_is(workflow: Lattice[...]) -> None:
    assert workflow.draw(3).svg.count(">square<") == 3
    assert workflow.draw(n=2).svg.count(">square<") == 2
    assert workflow.transport_graph.nodes == []


def test_without_arguments_a_lattice_draws_what_was_built_last(workflow: Lattice[...]) -> None:
    workflow.build_graph(4)
    assert workflow.draw().svg.count(">square<") == 4
    assert workflow.draw(2).svg.count(">square<") == 2
    assert workflow.draw().svg.count(">square<") == 4
    again: Lattice[...] = Lattice.deserialize_from_json(workflow.serialize_to_json())
    assert again.draw().svg == workflow.draw().svg


def test_a_lattice_that_was_not_built_says_which_arguments_it_needs(workflow: Lattice[...]) -> None:
    with pytest.raises(TypeError, match="Missing arguments: n"):
        workflow.draw()


def test_a_drawing_is_a_picture_in_a_notebook_text_in_a_script_and_a_file(
    workflow: Lattice[...], tmp_path: Path
) -> None:
    drawing = workflow.draw(3)
    assert vars(Drawing)["_repr_svg_"](drawing) == drawing.svg
    assert repr(drawing) == "<Drawing of 'sum_of_squares': 4 nodes; its save('graph.svg') writes it to a file>"
    drawing.save(tmp_path / "graph.svg")
    assert ET.parse(tmp_path / "graph.svg").getroot().tag == f"{SVG}svg"  # noqa: S314  ours
    drawing.save(str(tmp_path / "GRAPH.SVG"))


@pytest.mark.parametrize("name", ["graph.png", "graph", "graph.pdf"])
def test_a_file_that_would_not_be_taken_for_svg_is_refused(workflow: Lattice[...], tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' does not say; save it as graph.svg"):
        workflow.draw(3).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_picture_of_the_documentation_is_up_to_date(tmp_path: Path) -> None:
    page = ROOT / "docs" / "how-to" / "see-a-graph.md"
    (code, *_) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    script = tmp_path / "script.py"
    script.write_text(f"{code}\ndrawing.save('sweep.svg')\n", encoding="utf-8")
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True)
    assert (tmp_path / "sweep.svg").read_bytes() == (page.parent / "sweep.svg").read_bytes()


def test_drawing_needs_neither_networkx_nor_a_notebook() -> None:
    program = (
        "import sys\nimport covalent as ct\n"
        "print(len(ct.lattice(lambda: ct.electron(len)('x')).draw().svg))\n"
        "assert not {'networkx', 'IPython', 'covalent_server'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
