# SPDX-License-Identifier: Apache-2.0
"""Which upstream changes a kernel has, by its version and by what its vendor says."""
