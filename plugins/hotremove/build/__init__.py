# SPDX-License-Identifier: Apache-2.0
"""From a kernel to a boot image: modules, workloads, initramfs, cache."""
