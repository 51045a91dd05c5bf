# SPDX-License-Identifier: Apache-2.0
"""The cache: entries complete or absent, and its own troubles told in a line."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hotremove.cache import Cache, digest, host_errors
from hotremove.errors import HostProblem


def write(target: Path) -> None:
    (target / "file").write_text("made")


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = []

    def build(target: Path) -> None:
        made.append(target)
        write(target)

    assert cache.get("kind", "key", build) == cache.get("kind", "key", build)
    assert len(made) == 1
    assert (cache.path("kind", "key") / "file").read_text() == "made"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def build(target: Path) -> None:
        write(target)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get("kind", "key", build)
    assert list((tmp_path / "kind").iterdir()) == []


def test_what_a_killed_build_left_goes_with_the_next(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for name in (".key.left", ".other.left", ".busy.made"):
        (cache.directory("kind") / name).mkdir()
    with cache.lock("kind", "busy"):
        cache.get("kind", "key", write)
    assert sorted(path.name for path in (tmp_path / "kind").iterdir()) == [".busy.made", "key"]


def test_a_discarded_entry_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.get("kind", "key", write)
    assert cache.discard("kind", "key", lambda _entry: True)
    assert cache.find("kind", "key") is None
    assert cache.get("kind", "key", write).is_dir()


def test_only_what_is_bad_is_discarded(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.get("kind", "key", write)
    assert not cache.discard("kind", "key", lambda found: not (found / "file").is_file())
    assert cache.find("kind", "key") == entry
    assert not cache.discard("kind", "other", lambda _entry: True)


def test_whoever_reads_a_discarded_entry_reads_on(tmp_path: Path) -> None:
    """It goes as a whole: no reader finds a part of it, and what is open stays open."""
    cache = Cache(tmp_path)
    entry = cache.get("kind", "key", write)
    seen = []

    def look(path: Path, *_: object, **__: object) -> None:
        seen.append((path.name, entry.exists(), (path / "file").read_text()))

    with (entry / "file").open() as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hotremove.cache.shutil.rmtree", look)
        cache.discard("kind", "key", lambda _entry: True)
        assert reader.read() == "made"
    ((name, there, content),) = seen
    assert (name.startswith(".key."), there, content) == (True, False, "made")


def test_a_cache_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.raises(HostProblem, match="Not a directory: set HOTREMOVE_CACHE"):
        cache.get("kind", "key", write)
    with pytest.raises(HostProblem, match="Not a directory: set HOTREMOVE_CACHE"):
        cache.directory("kind")


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (cache.directory("locks") / "kind-key.lock").mkdir()
    with (
        pytest.raises(HostProblem, match=r"the cache at|writing to the cache"),
        cache.lock("kind", "key"),
    ):
        pass


def test_an_error_under_the_lock_is_not_the_caches(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Cache(tmp_path).lock("kind", "key"):
        raise FileNotFoundError(errno.ENOENT, "a tool is missing")


def test_a_full_disk_is_told() -> None:
    with (
        pytest.raises(HostProblem, match="no disk space left while testing"),
        host_errors("testing"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_default_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path))
    assert Cache.default().root == tmp_path


def test_without_a_home_there_is_still_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOTREMOVE_CACHE", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert Cache.default().root.is_absolute()


def test_a_key_tells_its_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
