# SPDX-License-Identifier: Apache-2.0
"""A package beside the farm that adds a pin path of its own, as a vendor's does."""

from hotremove.kernels.capabilities import Capability
from hotremove.pins.path import PinPath
from hotremove.pins.take import take_pin


class Ring(PinPath):
    """io_uring's registered buffers, under a name of their own."""

    capabilities = (Capability("acme's rings", ("IO_URING",)),)

    def pin(self, buffer, batch=None):
        return take_pin(buffer, "uring", "acme ring", batch=batch)


class Engine(Ring):
    """What no kernel under test was built with."""

    capabilities = (Capability("acme's engine", ("ACME_ENGINE",)),)
