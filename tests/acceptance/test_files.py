"""Files in a whole run: brought by the worker, handed from task to task as values, taken away by the worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.interpreters import OTHERS, environment
from tests.acceptance.programs import Project
from tests.components import Python, found
from tests.file_servers import object_store, ssh_machine, web_site


def test_files_come_from_and_go_to_every_kind_of_place(project: Project, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("[default]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    (tmp_path / "ssh").mkdir()
    (tmp_path / "far").mkdir()
    with web_site() as site, object_store() as store, ssh_machine(tmp_path / "ssh") as machine:
        site.files["numbers"] = b"1 2 3"
        found = project.facts(
            f"""
            from pathlib import Path

            fs, strategies = ct.fs, ct.fs_strategies
            s3 = strategies.S3({str(tmp_path / "keys")!r}, region_name="us-east-1", endpoint_url={store!r})
            ssh = strategies.Rsync(private_key_path={str(machine.key)!r}, known_hosts={str(machine.known_hosts)!r})
            far = "{machine.url}{tmp_path}/far"


            def carry(files):
                print(files)
                (_, read), (write, _) = files
                Path(write).write_text(Path(read).read_text() + "!")


            there = [fs.TransferFromRemote("{site.url}/numbers"), fs.TransferToRemote(far + "/a", strategy=ssh)]
            on = [fs.TransferFromRemote(far + "/a", strategy=ssh), fs.TransferToRemote("s3://bucket/b", strategy=s3)]
            back = [fs.TransferFromRemote("s3://bucket/b", strategy=s3), fs.TransferToRemote("{site.url}/c")]


            @ct.lattice
            def workflow():
                step = None
                for files in (there, on, back):
                    step, before = ct.electron(carry, files=files)(), step
                    if before is not None:
                        ct.wait(step, [before])


            result = ct.dispatch_sync(workflow)()
            facts["status"], facts["error"] = result.status, result.error
            facts["printed"] = result.get_node_result(0)["stdout"]
            """
        )
        assert (found["status"], found["error"]) == ("COMPLETED", None)
        assert site.files["c"] == b"1 2 3!!!"
        assert f"'{site.url}/numbers', '" in found["printed"]


_VALUES = """
import os
import time
from pathlib import Path

unique = ct.executor.LocalExecutor(workdir=os.getcwd() + "/work", create_unique_workdir=True)
shared = ct.executor.LocalExecutor(workdir=os.getcwd() + "/work", store_files=False)


@ct.electron
def write(text):
    Path("text").write_text(text)
    Path("many/deep").mkdir(parents=True, exist_ok=True)
    Path("many/deep/text").write_text(text)
    return {"file": ct.File("text"), "folder": ct.Folder("many")}


@ct.electron
def read(file, folder):
    with open(file) as opened:
        return [opened.read(), (folder.path / "deep" / "text").read_text(), os.fspath(file)]


@ct.electron(cache=True)
def length(file):
    return [len(file.read_text()), time.time_ns()]


@ct.lattice(executor=unique)
def tasks(text):
    written = write(text)
    return written, read(**{name: written[name] for name in ("file", "folder")}), length(written["file"])


@ct.electron
@ct.lattice
def inner(written):
    return read(written["file"], written["folder"])


@ct.lattice(executor=unique)
def nested():
    return inner(write("nested"))


@ct.lattice(executor=shared)
def left():
    return write("left")


@ct.lattice
def arguments(file):
    return length(file)


@ct.electron(files=ct.fs.TransferFromRemote("s3://bucket/key"))
def fetch():
    pass


def value(lattice, *args):
    result = ct.dispatch_sync(lattice)(*args)
    result.raise_for_status()
    return result.result


written, facts["read"], first = value(tasks, "text")
facts["written"] = [repr(written["file"]), written["file"].read_text(), str(written["file"].save("saved").name)]
facts["copy is gone"] = not os.path.exists(facts["read"].pop())
_, _, second = value(tasks, "text")
_, _, third = value(tasks, "other")
facts["cached"] = [first == second, first == third]
facts["nested"] = value(nested)[:2]
kept = value(left)["file"]
facts["left"] = [repr(kept), os.path.exists(kept)]
Path("mine").write_text("mine")
facts["argument"] = value(arguments, ct.File("mine", store=True))[0]
result = ct.dispatch_sync(arguments)(ct.File("mine"))
facts["by path"] = result.error
facts["without fsspec"] = raised(value, ct.lattice(lambda: fetch()))
"""


def test_tasks_hand_each_other_files(user: Project) -> None:
    found = user.facts(_VALUES, "values.py")
    directory = f"{user.directory}/work"
    assert found["written"] == ["<File text, 4 bytes>", "text", "saved"]
    assert found["read"] == ["text", "text"]
    assert found["copy is gone"]
    assert found["cached"] == [True, False]
    assert found["nested"] == ["nested", "nested"]
    assert found["left"] == [f"File('{directory}/text')", True]
    assert found["argument"] == 4
    assert "FileNotFoundError" in found["by path"]
    assert f"s3://bucket/key cannot be opened by {user.python}" in found["without fsspec"]
    assert "install there: 'covalent-sdk[fsspec]'" in found["without fsspec"]
    assert "in transfer 1 of 1, before the task, from s3://bucket/key to " in found["without fsspec"]


@pytest.mark.parametrize("component", OTHERS, ids=lambda component: component.name)
def test_a_file_goes_from_one_python_to_another(project: Project, tmp_path: Path, component: Python) -> None:
    python = environment(found(component), tmp_path / "environment", sdk=True)
    project.write(
        "steps.py",
        """
        import sys
        from pathlib import Path

        import covalent as ct


        def write(text):
            Path("text").write_text(text)
            Path("folder").mkdir(exist_ok=True)
            Path("folder/text").write_text(text)
            return ct.File("text"), ct.Folder("folder")


        def read(file, folder):
            return [file.read_text(), (folder.path / "text").read_text(), "%d.%d" % sys.version_info[:2]]
        """,
    )
    project.workflow(
        f"""
        import steps

        other = ct.executor.LocalExecutor(python={python!r})


        @ct.lattice
        def workflow():
            file, folder = ct.electron(steps.write)("there")
            back, again = ct.electron(steps.write, executor=other)("back")
            return [ct.electron(steps.read, executor=other)(file, folder), ct.electron(steps.read)(back, again)]
        """
    )
    told = project.run()
    assert told.value[0] == ["there", "there", component.version]
    assert told.value[1][:2] == ["back", "back"]
