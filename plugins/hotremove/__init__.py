# SPDX-License-Identifier: Apache-2.0
"""Hot-remove of pinned memory, tested on real kernels in libvirt guests."""
