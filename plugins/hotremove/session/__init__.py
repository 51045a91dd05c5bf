# SPDX-License-Identifier: Apache-2.0
"""What one pytest process works with: kernels, guests, its portion of memory."""
