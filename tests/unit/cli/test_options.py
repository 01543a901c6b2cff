from __future__ import annotations

from pathlib import Path

from covalent_server import settings
from covalent_server.cli import options, output


def test_flags_written_as_arguments_mean_the_same(tmp_path: Path) -> None:
    flags = {"port": "0", "data_dir": tmp_path, "log_level": None, "allow_network_filesystem": True}
    assert options.as_arguments(flags) == ["--data-dir", str(tmp_path), "--port", "0", "--allow-network-filesystem"]


def test_every_setting_has_a_flag() -> None:
    flags = {option.name: "x" for option in settings.OPTIONS}
    arguments = options.as_arguments(flags)
    assert {option.flag for option in settings.OPTIONS} <= set(arguments)


def test_a_table_is_aligned_and_has_no_trailing_blanks() -> None:
    assert output.table([("a", "bb", ""), ("ccc", "d", "e")]) == "a    bb\nccc  d   e"
