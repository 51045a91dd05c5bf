# SPDX-License-Identifier: Apache-2.0
"""What a guest boots from: an initramfs, the guest's programs, the farm's modules."""
