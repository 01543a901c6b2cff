"""The user's own modules: a dispatch runs them as they stand in its project when it is made."""

from __future__ import annotations

from tests.acceptance.programs import Project
from tests.installation import Installation

_USES_HELPER = """
import helper


@ct.electron
def by_name():
    return helper.answer()


@ct.electron
def late():
    from helper import answer
    return answer()


@ct.lattice
def workflow():
    return [by_name(), late(), ct.electron(helper.answer)()]
"""


def test_a_module_edited_between_two_dispatches_runs_as_edited(project: Project) -> None:
    project.workflow(_USES_HELPER)
    project.write("helper.py", "def answer():\n    return 'before'\n")
    assert project.run().value == ["before"] * 3
    project.write("helper.py", "def answer():\n    return 'after!'\n")
    assert project.run().value == ["after!"] * 3


def test_a_module_edited_and_reloaded_in_one_process_runs_as_edited(project: Project) -> None:
    project.write("helper.py", "def answer():\n    return 'before'\n")
    project.write(
        "script.py",
        """
        import importlib
        import sys
        from pathlib import Path

        import covalent as ct
        import helper

        sys.dont_write_bytecode = True


        @ct.electron
        def by_name():
            return helper.answer()


        @ct.lattice
        def workflow():
            return [by_name(), ct.electron(helper.answer)()]


        print(ct.dispatch_sync(workflow)().result)
        Path("helper.py").write_text("def answer():\\n    return 'after and longer'\\n")
        importlib.reload(helper)
        print(ct.dispatch_sync(workflow)().result)
        """,
    )
    done = project.attempt()
    assert done.stdout.splitlines() == ["['before', 'before']", "['after and longer', 'after and longer']"], done.stderr


def test_a_package_edited_deep_inside_runs_as_edited(project: Project) -> None:
    (project.directory / "tools" / "deep").mkdir(parents=True)
    project.write("tools/__init__.py", "from tools.deep.inner import answer\n")
    project.write("tools/deep/__init__.py", "")
    project.write("tools/deep/inner.py", "def answer():\n    return 'before'\n")
    project.workflow(
        """
        import tools


        @ct.lattice
        def workflow():
            return ct.electron(tools.answer)()
        """
    )
    assert project.run().value == "before"
    project.write("tools/deep/inner.py", "def answer():\n    return 'after!'\n")
    assert project.run().value == "after!"


def test_two_projects_with_a_module_of_the_same_name_each_get_their_own_at_the_same_time(
    project: Project, shared_installation: Installation
) -> None:
    ours, theirs = (Project(project.directory / name, shared_installation) for name in ("ours", "theirs"))
    for each, name in ((ours, "ours"), (theirs, "theirs")):
        each.write("helper.py", f"NAME = {name!r}\n\n\ndef answer():\n    return NAME\n")
        each.workflow(
            """
            import os
            import time

            import helper


            @ct.electron
            def meet(mine, other):
                open(mine, "x").close()
                while not os.path.exists(other):
                    time.sleep(0.005)
                from helper import NAME
                return [helper.answer(), NAME]


            @ct.lattice
            def workflow(mine, other):
                return meet(mine, other)
            """
        )
    signs = [str(project.directory / "ours-is-here"), str(project.directory / "theirs-is-here")]
    with ours.start(*signs) as one, theirs.start(*reversed(signs)) as other:
        assert one.told().value == ["ours", "ours"]
        assert other.told().value == ["theirs", "theirs"]
