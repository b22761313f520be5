"""Trees of files put on a disk, or into an archive of any kind, as those who deliver them do."""

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, str | bytes]
PACKINGS = ("directory", "zip", "tar.gz", "tar.bz2", "tar")


def as_zip(files: Files, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression=compression) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text, compress_type=compression)
    return data.getvalue()


def as_tar(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as archive:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def as_directory(path: Path, files: Files) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def deliver(where: Path, files: Files, packing: str) -> Path:
    """What ``files`` are as a directory, or as an archive, with the name of a download."""
    if packing == "directory":
        return as_directory(where / "download", files)
    path = where / f"download.{packing}"
    match packing:
        case "zip":
            path.write_bytes(as_zip(files))
        case "tar":
            path.write_bytes(as_tar(files))
        case "tar.gz":
            path.write_bytes(gzip.compress(as_tar(files)))
        case "tar.bz2":
            path.write_bytes(bz2.compress(as_tar(files)))
    return path
