# SPDX-License-Identifier: Apache-2.0
"""`python -m hotremove.cli`."""

import sys

from hotremove.cli.main import main

sys.exit(main())
