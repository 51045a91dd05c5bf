# SPDX-License-Identifier: Apache-2.0
"""Where kernels come from: one scheme of `--hotremove-kernel` a file."""
