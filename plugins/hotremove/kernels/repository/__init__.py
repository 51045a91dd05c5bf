# SPDX-License-Identifier: Apache-2.0
"""Git repositories of kernels: where commits are found, and where they are kept."""
