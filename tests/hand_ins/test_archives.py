"""Archives that were made to do harm: bounded in time and memory, led nowhere, refused in words."""

import bz2
import gzip
import io
import runpy
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.errors import UsageError
from grader.files.read_untrusted import Refused
from grader.hand_ins import archives
from grader.hand_ins import locate as package
from grader.hand_ins.archives import open_archive
from grader.hand_ins.read_hand_ins import read_hand_in
from grader.limits import TARBALL_NAME_MAX_BYTES

packing = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("packing.py"))))
as_zip, as_tar = packing.as_zip, packing.as_tar

RIGHT = {"model.py": "a = 1\n", "train.py": "b = 2\n"}
ZEROS = b"\0" * (64 << 20)


def write(where: Path, name: str, data: bytes) -> Path:
    (where / name).write_bytes(data)
    return where / name


def most_memory(read: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def deep(levels: int) -> bytes:
    data = as_zip(RIGHT)
    for _ in range(levels):
        data = as_zip({"inner.zip": data})
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("model.zip", as_zip({**RIGHT, "model.py": ZEROS}), "model.py in .* cannot be read: it is larger than 512 KiB"),
        ("nested.zip", as_zip({"inner.zip": as_zip({"model.py": ZEROS})}), "larger than 512 KiB"),
        ("inner.zip", as_zip({"inner.zip": ZEROS}), "'inner.zip' cannot be read: it unpacks to more than 100 times"),
        ("deep.zip", deep(6), "was not opened: there are too many archives in one another"),
        ("wide.zip", as_zip({f"{n}.zip": as_zip({"x": ""}) for n in range(40)}), "there are too many archives"),
        ("bomb.tar.gz", gzip.compress(as_tar({"zeros": b"\0" * (65 << 20)}), 9), "it unpacks to more than 64 MiB"),
        ("bomb.tar.bz2", bz2.compress(as_tar({"zeros": b"\0" * (65 << 20)})), "it unpacks to more than 64 MiB"),
        ("no.tar.gz", gzip.compress(b"no tar at all"), "it is a tar archive that was cut short"),
        ("torn.tar.gz", gzip.compress(as_tar(RIGHT))[:60], "it is not a tar archive that can be read"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[-8:] and " " not in value else "",
)
def test_a_bomb_is_refused_in_words_and_in_little_memory(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, name, data)

    def read() -> None:
        with pytest.raises(UsageError, match=message):
            read_hand_in(path)

    assert most_memory(read) < 1 << 24


@pytest.mark.parametrize("name", ["hw.zip", "hw.tar.gz"])
def test_a_right_submission_beside_much_that_packs_well_is_read(name: str, tmp_path: Path) -> None:
    files = {"data.bin": ZEROS[: 48 << 20], **RIGHT, "more.py": ZEROS[: 8 << 20]}
    data = as_zip(files) if name.endswith(".zip") else gzip.compress(as_tar(files), 9)
    path = write(tmp_path, name, data)

    assert read_hand_in(path).files == RIGHT
    assert most_memory(lambda: read_hand_in(path)) < 1 << 23


def test_a_header_that_claims_to_be_long_is_not_read(tmp_path: Path) -> None:
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        header = tarfile.TarInfo("x")
        header.type, header.size = kind, 32 << 20
        data = header.tobuf(tarfile.GNU_FORMAT) + ZEROS[: 32 << 20]
        path = write(tmp_path, "hw.tar.gz", gzip.compress(data))

        def read(path: Path = path) -> None:
            with pytest.raises(UsageError, match="a name in it is longer than 64 KiB"):
                read_hand_in(path)

        assert most_memory(read) < 1 << 22


@pytest.mark.parametrize(
    "form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT], ids=["pax", "gnu", "ustar"]
)
def test_long_and_foreign_names_are_what_they_are(form: int, tmp_path: Path) -> None:
    folder = "ä" * 20 + "/" + "y" * (60 if form == tarfile.USTAR_FORMAT else 150) + "/"
    path = write(tmp_path, "hw.tar", as_tar({folder + name: text for name, text in RIGHT.items()}, form))

    assert read_hand_in(path).files == RIGHT


def test_names_that_lead_out_of_an_archive_lead_nowhere(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    paths = ["../helper.py", "a/../../helper.py", "..\\helper.py", "C:\\..\\helper.py", "/../helper.py", ".."]
    for name, pack in (("hw.zip", as_zip), ("hw.tar", as_tar)):
        submission = read_hand_in(write(inside, name, pack({**RIGHT, **dict.fromkeys(paths, "out")})))

        assert submission.files == RIGHT
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["hw.tar", "hw.zip", "in"]


def test_links_and_devices_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind in (("model.py", tarfile.SYMTYPE), ("train.py", tarfile.LNKTYPE), ("pipe.py", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)

    with pytest.raises(UsageError, match=r"model.py .* cannot be read: it is a symbolic link; train.py .* a hard link"):
        read_hand_in(write(tmp_path, "hw.tar", data.getvalue()))

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        linked = zipfile.ZipInfo("model.py")
        linked.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(linked, "/etc/passwd")

    with pytest.raises(UsageError, match="cannot be read: it is a symbolic link"):
        read_hand_in(write(tmp_path, "hw.zip", data.getvalue()))


def test_too_many_files_and_too_long_a_table_of_contents_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"{number:04}.txt": "" for number in range(600)}
    for limit, message in (
        ("ARCHIVE_MAX_MEMBERS", "there are more than 500 files in it"),
        ("ARCHIVE_READ_MAX_BYTES", "table of contents"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(archives, limit, 500)
            with pytest.raises(UsageError, match=message):
                read_hand_in(write(tmp_path, "hw.zip", as_zip(many)))
    monkeypatch.setattr(archives, "ARCHIVE_MAX_MEMBERS", 500)
    with pytest.raises(UsageError, match="there are more than 500 files in it"):
        read_hand_in(write(tmp_path, "hw.tar", as_tar(many)))


@pytest.mark.parametrize("name", ["hw.tar", "hw.tar.gz", "hw.zip"])
def test_torn_and_altered_archives_raise_nothing_of_ours(name: str) -> None:
    whole = as_zip(RIGHT) if name.endswith("zip") else as_tar(RIGHT, tarfile.USTAR_FORMAT)[:3072]
    whole = gzip.compress(whole) if name.endswith("gz") else whole
    for number in range(0, len(whole), 3):
        for altered in (whole[:number], whole[:number] + bytes([whole[number] ^ 0xFF]) + whole[number + 1 :]):
            with ExitStack() as stack:
                try:
                    packed = open_archive(io.BytesIO(altered), stack)
                    for entry in packed.entries(100) or ():
                        packed.read(entry.name, 100)
                except (Refused, FileNotFoundError) as reason:
                    assert str(reason)  # noqa: PT017


def test_archives_in_archives_are_held_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = {f"{number}.zip": as_zip({"notes.txt": str(number)}) for number in range(3)}
    monkeypatch.setattr(package, "HAND_IN_ARCHIVES_MAX_BYTES", len(inner["0.zip"]) + 1)

    with pytest.raises(UsageError, match=r"'2\.zip' cannot be read: all archives in archives are larger than 0 MiB"):
        read_hand_in(write(tmp_path, "hw.zip", as_zip(inner)))


def test_a_tar_archive_with_holes_in_its_files_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("model.py")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 10
    data = header.tobuf(tarfile.GNU_FORMAT) + b"\0" * TARBALL_NAME_MAX_BYTES

    with pytest.raises(UsageError, match="files with holes in them"):
        read_hand_in(write(tmp_path, "hw.tar", data))
