from __future__ import annotations

from pathlib import Path

import pytest

from covalent_server.cli import mounts

MOUNTINFO = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:40 / /home rw,relatime shared:2 master:1 - nfs4 server:/home rw,vers=4.2
24 23 8:2 / /home/local rw - xfs /dev/sdb1 rw
25 22 0:41 / /mnt/with\040blank rw - cifs //server/share rw
26 22 0:42 / /scratch rw - tmpfs tmpfs rw
27 22 0:43 / /scratch rw - lustre mds@tcp:/fs rw
28 22 0:44 / /homework rw - fuse.sshfs host: rw
a line that means nothing
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/ada/.local", "nfs4"),
        ("/home/local/ada", "xfs"),
        ("/homework/x", "fuse.sshfs"),
        ("/home2", "ext4"),
        ("/mnt/with blank/x", "cifs"),
        ("/mnt/with", "ext4"),
        ("/scratch/x", "lustre"),
    ],
)
def test_a_path_lies_on_the_deepest_and_last_of_its_mounts(path: str, kind: str) -> None:
    assert mounts.filesystem_type(Path(path), MOUNTINFO) == kind


@pytest.mark.parametrize("kind", sorted(mounts.NETWORK_TYPES))
def test_a_network_file_system_is_recognised(kind: str, tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"22 1 8:1 / / rw - {kind} somewhere rw\n")
    assert mounts.network_type(tmp_path / "not yet there", mountinfo) == kind


def test_a_link_lies_where_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"1 1 8:1 / / rw - ext4 x rw\n2 1 0:9 / {(tmp_path / 'far').resolve()} rw - nfs x rw\n")
    assert mounts.network_type(tmp_path / "link" / "data", mountinfo) == "nfs"
    assert mounts.network_type(tmp_path / "near", mountinfo) is None


def test_where_mounts_are_not_told_nothing_is_known(tmp_path: Path) -> None:
    assert mounts.network_type(tmp_path, tmp_path / "missing") is None
