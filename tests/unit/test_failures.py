# SPDX-License-Identifier: Apache-2.0
"""What failed once in a run is not tried again in it, by no worker."""

import threading
import time

import pytest

from hotremove.errors import (
    Blocked,
    CapabilityAbsent,
    GuestDied,
    HostProblem,
    HotremoveError,
    UsageProblem,
)
from hotremove.session.failures import Failures


class Attempts:
    """Makes something, which fails; how often it was tried."""

    def __init__(self, error, seconds=0.0):
        self.error = error
        self.seconds = seconds
        self.count = 0

    def __call__(self):
        self.count += 1
        time.sleep(self.seconds)
        raise self.error


@pytest.mark.parametrize("kind", [Blocked, CapabilityAbsent, HostProblem, UsageProblem])
@pytest.mark.parametrize("shared", [False, True])
def test_a_failure_is_told_again_by_its_reason(tmp_path, kind, shared):
    failures = Failures(tmp_path / "run" if shared else None)
    attempts = Attempts(kind("no compiler"))
    for _ in range(3):
        with pytest.raises(HotremoveError, match=r"^no compiler$") as told:
            failures.once("modules", attempts)
        assert type(told.value) is kind
    assert attempts.count == 1
    assert failures.once("other modules", lambda: 7) == 7


def test_what_a_guest_came_to_is_no_failure_to_make_it():
    failures, attempts = Failures(), Attempts(GuestDied("panic"))
    for _ in range(2):
        with pytest.raises(GuestDied):
            failures.once("a boot", attempts)
    assert attempts.count == 2


def test_workers_try_one_after_the_other_and_the_second_not_at_all(tmp_path):
    attempts = Attempts(Blocked("no headers"), seconds=0.3)
    told = []

    def work():
        with pytest.raises(Blocked) as failure:
            Failures(tmp_path / "run").once("modules", attempts)
        told.append(str(failure.value))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (attempts.count, told) == (1, ["no headers"] * 3)


def test_another_run_tries_anew(tmp_path):
    attempts = Attempts(Blocked("no mirror"))
    for run in ("one", "two"):
        with pytest.raises(Blocked):
            Failures(tmp_path / run).once("modules", attempts)
    assert attempts.count == 2


def test_success_is_nobodys_to_remember(tmp_path):
    failures = Failures(tmp_path / "run")
    assert [failures.once("it", lambda: 1), failures.once("it", lambda: 2)] == [1, 2]
