# SPDX-License-Identifier: Apache-2.0
"""What `hotremove prune` removes from a cache, and what it leaves alone."""

import os
import time

import pytest

from hotremove.cache import Cache
from hotremove.cli import main
from hotremove.cli.prune import entries

DAY = 86400
KEYS = [letter * 32 for letter in "abc"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Three entries of 2 MiB, unused for 40, 20 and no days, and a tool's own state."""
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "cache"))
    made = Cache(tmp_path / "cache")
    for key, days in zip(KEYS, (40, 20, 0), strict=True):
        entry = made.get("snapshots", key, lambda path: fill(path / "memory"))
        used = time.time() - days * DAY
        os.utime(entry, (used, used))
    fill(made.directory("apt") / "lists")
    return made


def fill(file):
    file.write_bytes(os.urandom(2 << 20))


def present(cache):
    return [entry.path.name[0] for entry in entries(cache)]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ([], "bc"),
        (["--older-than", "10"], "c"),
        (["--older-than", "60"], "abc"),
        (["--max-gib", "0.004"], "bc"),
        (["--max-gib", "0.002"], "c"),
        (["--max-gib", "1"], "abc"),
        (["--max-gib", "0"], "c"),
        (["--older-than", "0"], "c"),
    ],
)
def test_what_was_used_longest_ago_goes_first_and_what_was_just_used_stays(cache, words, left):
    assert main.main(["prune", *words]) == 0
    assert "".join(present(cache)) == left
    assert (cache.root / "apt/lists").exists()


def test_an_entry_that_a_run_is_busy_with_stays(cache, capsys):
    with cache.lock("snapshots", KEYS[0]):
        assert main.main(["prune", "--older-than", "10"]) == 0
    assert present(cache) == ["a", "c"]
    assert f"{cache.path('snapshots', KEYS[1])}: 0.00 GiB" in capsys.readouterr().out


def test_using_an_entry_keeps_it(cache):
    cache.get("snapshots", KEYS[0], lambda _: pytest.fail("it is there"))
    assert main.main(["prune"]) == 0
    assert present(cache) == ["b", "c", "a"]


def test_a_negative_limit_is_refused(cache, capsys):
    assert main.main(["prune", "--max-gib", "-1"]) == 4
    assert "not negative" in capsys.readouterr().err
    assert len(present(cache)) == 3


def test_a_run_that_is_to_keep_the_cache_small_spares_what_it_uses(cache):
    kept = cache.path("snapshots", KEYS[0])
    cache.note_use(kept / "memory")
    cache.note_use(cache.root / "apt" / "lists")
    cache.note_use(cache.root.parent / "elsewhere")
    assert cache.make_room(0.002) == 2 << 20
    assert sorted(present(cache)) == ["a", "c"]
    assert cache.make_room(1) == 0
