# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from hotremove.observe.kernellog.carrier import plain_lines
from hotremove.observe.pagedump.reading import parse_dumps

LOG = Path(__file__).parents[1] / "golden" / "page-owner.log"


def test_stacks_of_page_owner_are_read_out_of_a_journal() -> None:
    """Each message has lines of other fields around it, which end no stack."""
    lines = LOG.read_text(encoding="utf-8").split("\n")[1:]
    entries = (f"__CURSOR=s\n_TRANSPORT=kernel\nMESSAGE={line}\n" for line in lines)
    carried = list(parse_dumps(plain_lines("\n".join(entries).split("\n"))))
    owners = [dump.owner for dump in parse_dumps(lines)]
    assert any(owner and owner.allocated_by for owner in owners)
    assert [dump.owner for dump in carried] == owners
