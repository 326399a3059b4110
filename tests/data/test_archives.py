"""Archives: unpacked once, whole, and never outside their folder."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from harness.data import Cache, find_data, open_table
from harness.data.archives import hash_tree, unpack
from harness.errors import DataError
from tests.data.toys import archive_file, png, write_tar, write_zip


@pytest.mark.parametrize("name", ["t.zip", "t.tar.gz", "T.TGZ"])
def test_an_archive_is_unpacked_into_the_cache_and_read(tmp_path: Path, name: str):
    path = (write_zip if name.endswith("zip") else write_tar)(tmp_path / name)
    cache = Cache(tmp_path / "cache")
    found = find_data(archive_file(path), str(path), cache)
    assert (found.official, found.name) == (True, "Toy")
    assert found.sha256 == archive_file(path).sha256
    table = open_table(found.path)
    assert table.images(0)[0].getpixel((0, 0)) == (255, 0, 0)
    assert find_data(archive_file(path), str(path), cache) == found


def test_a_changed_folder_is_noticed(tmp_path: Path):
    path, cache = write_zip(tmp_path / "t.zip"), Cache(tmp_path / "cache")
    folder = find_data(archive_file(path), str(path), cache).path
    (folder / "p" / "1.png").write_bytes(png("blue"))
    with pytest.raises(DataError, match=r"unpacked from t\.zip, has changed") as error:
        find_data(archive_file(path), str(path), cache)
    assert "delete the folder" in error.value.remedy
    (folder / "p" / "1.png").unlink()
    (folder / "p").rmdir()
    (folder / "metadata.jsonl").unlink()
    folder.rmdir()
    assert (find_data(archive_file(path), str(path), cache).path / "p" / "1.png").is_file()


EVIL = ["../out", "/abs", "a/../../out", "..", "a\\..\\out", "C:out"]


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize("name", EVIL)
def test_no_path_leads_out(tmp_path: Path, write: object, name: str):
    archive = write(tmp_path / ("t.zip" if write is write_zip else "t.tar.gz"), {name: b"x"})
    inside = tmp_path / "in"
    inside.mkdir()
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(archive, inside / "target")
    assert list(inside.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {archive.name, "in"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices_are_refused(tmp_path: Path, kind: bytes):
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        member = tarfile.TarInfo("innocent")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(DataError, match="'innocent' is a link or a device"):
        unpack(tmp_path / "t.tar", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_zip_links_are_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        member = zipfile.ZipInfo("innocent")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        unpack(tmp_path / "t.zip", tmp_path / "target")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_what_comes_out_is_bounded(tmp_path: Path, write: object):
    name = "t.zip" if write is write_zip else "t.tar.gz"
    archive = write(tmp_path / name, {"a": bytes(900_000), "b": bytes(200_000)})
    with pytest.raises(DataError, match="'b' is more than may be unpacked"):
        unpack(archive, tmp_path / "target", limit=1_000_000)
    assert not (tmp_path / "target").exists()
    unpack(archive, tmp_path / "target", limit=1_100_000)
    assert (tmp_path / "target" / "b").stat().st_size == 200_000


def test_a_size_that_lies_is_no_way_round(tmp_path: Path):
    """The header says 10 bytes, what is stored is a million."""
    archive = write_zip(tmp_path / "t.zip", {"a": b"x" * 1_000_000})
    data = archive.read_bytes().replace(
        (1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    )
    archive.write_bytes(data)
    with pytest.raises(DataError):
        unpack(archive, tmp_path / "target", limit=100_000)


@pytest.mark.parametrize(
    ("name", "data"),
    [("t.zip", b"PK\x03\x04 no"), ("t.tar.gz", b"\x1f\x8b no"), ("t.tar", b"no"), ("t.zip", b"")],
)
def test_damage_is_named(tmp_path: Path, name: str, data: bytes):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="can't be unpacked"):
        unpack(tmp_path / name, tmp_path / "target")


def test_a_torn_archive_leaves_nothing(tmp_path: Path):
    archive = write_tar(tmp_path / "t.tar.gz", {"a": bytes(range(256)) * 4000, "b": b"x" * 5000})
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DataError, match="can't be unpacked"):
        unpack(archive, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["t.tar.gz"]


def test_one_name_twice_is_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for data in (b"one", b"two"):
            member = tarfile.TarInfo("a")
            member.size = 3
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(DataError, match="'a' is there twice"):
        unpack(tmp_path / "t.tar", tmp_path / "target")


def test_the_hash_of_a_folder_is_of_names_and_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"1")
    one = hash_tree(tmp_path)
    (tmp_path / "a").write_bytes(b"2")
    two = hash_tree(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({one, two, hash_tree(tmp_path)}) == 3
