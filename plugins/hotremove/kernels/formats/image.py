# SPDX-License-Identifier: Apache-2.0
"""What a kernel image says of itself: its release, its build and its machine."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from hotremove.architecture.known import supported_names
from hotremove.errors import UsageProblem
from hotremove.kernels.formats import arm64image, bzimage
from hotremove.kernels.formats.facts import ImageFacts

_FORMATS: tuple[ModuleType, ...] = (bzimage, arm64image)
_HEADER_BYTES = 4096
_FOREIGN = (
    (0x38, b"\x05\x23\x00\x00", "riscv or loongarch"),
    (0x24, b"\x18\x28\x6f\x01", "arm"),
)


def read_image(path: Path) -> ImageFacts:
    """The facts that an image tells.

    Raises:
        UsageProblem: it cannot be read, is not a kernel, is cut short or is of another machine.
    """
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageProblem(f"cannot read the kernel image {path}: {error.strerror}") from error


def is_image(path: Path) -> bool:
    """True when the file begins as a kernel does that the farm boots, intact or not."""
    with path.open("rb") as file:
        return _format(file.read(_HEADER_BYTES)) is not None


def parse(data: bytes, name: str) -> ImageFacts:
    """The facts in an image's bytes.

    Raises:
        UsageProblem: as `read_image`; `name` is how the message calls the image.
    """
    found = _format(data[:_HEADER_BYTES])
    if found is None:
        raise UsageProblem(f"{name} is {_what_else(data)}; give one for {supported_names()}")
    facts: ImageFacts = found.read(data, name)
    return facts


def _format(header: bytes) -> ModuleType | None:
    return next((one for one in _FORMATS if one.begins(header)), None)


def _what_else(header: bytes) -> str:
    """Names a file that is no such image, for the message."""
    for offset, magic, machine in _FOREIGN:
        if header[offset : offset + len(magic)] == magic:
            return f"a kernel for {machine}"
    if header.startswith(b"\x7fELF"):
        return "an uncompressed ELF vmlinux"
    return "empty" if not header else "not a kernel image"
