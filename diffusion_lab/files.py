"""Writing a file whole: it is there in full, or it is as it was before."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(file: str | Path) -> Iterator[Path]:
    """Gives another name to write to, and moves what was written to ``file`` in one go; after an error, removes it."""
    unfinished = Path(file).with_name(Path(file).name + ".part")
    try:
        yield unfinished
        with open(unfinished, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)


def check_writable(name: str, file: str | Path, *endings: str) -> Path:
    """``file``, if it can be written, so that a mistake shows before the work and not after it.

    Raises:
        ValueError: calling it ``name``, if it has none of the ``endings`` (where there are some), if it is a folder, or
            if its own folder is missing or cannot be written to.
    """
    file = Path(file)
    if endings and file.suffix.lower() not in endings:
        raise ValueError(f"{name}: expected a name that ends in {' or '.join(endings)}, got {str(file)!r}")
    if file.is_dir():
        raise ValueError(f"{name}: expected the name of a file, got that of a folder, {file}")
    if not file.parent.is_dir():
        raise ValueError(f"{name}: expected a folder that is there, got {file.parent}")
    try:
        tempfile.TemporaryFile(dir=file.parent).close()
    except OSError as error:
        raise ValueError(f"{name}: expected a folder that can be written to, got {file.parent} ({error})") from error
    return file
