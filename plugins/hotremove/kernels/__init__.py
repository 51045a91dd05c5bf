# SPDX-License-Identifier: Apache-2.0
"""Where kernels come from: one source a file, one frozen value for what they all give."""
