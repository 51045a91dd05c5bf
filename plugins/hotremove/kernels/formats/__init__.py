# SPDX-License-Identifier: Apache-2.0
"""What kernels come in: images, packages, archives, compressed streams."""
