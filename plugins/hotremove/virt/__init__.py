# SPDX-License-Identifier: Apache-2.0
"""libvirt and QEMU of one host: what guests run on."""
