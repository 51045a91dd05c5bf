# SPDX-License-Identifier: Apache-2.0
"""Ways in which a kernel can be broken, on purpose: which there are, and how each has to show."""
