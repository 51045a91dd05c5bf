# SPDX-License-Identifier: Apache-2.0
"""What cannot be set up in a real guest: is it absent, by proof, or blocked?"""

from pathlib import Path

import pytest

from hotremove.cache import Cache
from hotremove.errors import Blocked, CapabilityAbsent
from hotremove.kernels.spec import resolve
from hotremove.memory.daxkmem import DaxKmem
from hotremove.memory.files import Filesystem
from hotremove.memory.notifier import NotifierVeto
from hotremove.pins.edu import Edu
from hotremove.pins.kmod import load_module
from hotremove.pins.rdma import Rdma
from hotremove.pins.udmabuf import Udmabuf
from hotremove.pins.vfio import Vfio

pytestmark = [pytest.mark.live, pytest.mark.hotremove]
FAULTS = Path(__file__).parent / "faults"


def test_a_set_up_that_fails_on_a_kernel_with_all_options_is_blocked(guest):
    guest.control.check("ip link add rdma0 type dummy; modprobe loop; rm /dev/loop0")
    with pytest.raises(Blocked, match=r"no rxe device: .*exists; the kernel has CONFIG_INFINIBAND"):
        Rdma(guest)
    with pytest.raises(
        Blocked, match=r"no ext4 on a loop device: losetup: .*; the kernel has CONF"
    ):
        Filesystem(guest)
    module = "/lib/modules/*/kernel/lib/memory-notifier-error-inject.ko"
    guest.control.check(f"rm {module}")
    with pytest.raises(Blocked, match="notifier failures: no /sys/kernel/debug/notifier-error-inj"):
        NotifierVeto(guest)
    with pytest.raises(Blocked, match=r"^topology movable-node has no edu device: choose one"):
        Edu(guest)
    with pytest.raises(Blocked, match=r"^topology movable-node has no soft-reserved memory"):
        DaxKmem(guest)


def test_an_endpoint_that_does_not_come_to_vfio_is_blocked(guest):
    guest.control.check("mkdir -p /dev/vfio; mount -t tmpfs none /dev/vfio")
    with pytest.raises(Blocked, match=r"vfio pins: .*; the kernel has CONFIG_VFIO, CONF"):
        Vfio(guest)


def test_an_option_that_is_off_is_quoted(guest):
    with pytest.raises(CapabilityAbsent, match=r"^no udmabuf pins: CONFIG_UDMABUF is not set$"):
        Udmabuf(guest)


def test_a_module_that_is_refused_is_explained_by_the_kernel(guest, farm, kernel):
    fault = farm.kmods(kernel).find("fault")
    told = r"^the kernel does not take the module fault: nothing to probe for off-lru, .*,kept-pin"
    with pytest.raises(Blocked, match=told):
        load_module(guest, fault, "name=off-lru")


def test_a_kernel_whose_configuration_nobody_has(laboratory, tmp_path):
    release = resolve("debian:bookworm", Cache.default()).release
    cloud = resolve(f"debian:bookworm/{release.replace('-amd64', '-cloud-amd64')}", Cache.default())
    folder = tmp_path / "kernel"
    (folder / "lib/modules").mkdir(parents=True)
    (folder / f"vmlinuz-{cloud.release}").symlink_to(cloud.image)
    (folder / "lib/modules" / cloud.release).symlink_to(cloud.modules)
    run = laboratory.run(FAULTS / "unknown_config.py", "--hotremove-kernel", f"dir:{folder}")
    assert [row.verdict for row in run.rows] == ["pass"], run.text


@pytest.mark.nightly
def test_a_kernel_that_tells_its_configuration(laboratory):
    run = laboratory.run(FAULTS / "told_config.py", "--hotremove-kernel", "debian-source:bookworm")
    assert [row.verdict for row in run.rows] == ["pass"], run.text
