# SPDX-License-Identifier: Apache-2.0
"""What is parsed without a file: versions, specs, configurations, headers, apt's output."""

from __future__ import annotations

import subprocess
from functools import cmp_to_key

import kernel_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotremove.errors import UsageProblem
from hotremove.kernels import config, spec
from hotremove.kernels.distro import apt, mirrors
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.formats import image, layout
from hotremove.kernels.formats.facts import ImageFacts
from hotremove.kernels.sources import debian

VERSIONS = (
    *("1.0~rc1-1", "1.0-1~bpo12+1", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0+dfsg-1", "1.0a-1"),
    *("6.1.0-9", "6.1.176-1", "6.1.192-1", "6.1.192-2", "6.12.107-1~deb12u1", "6.12.107-1"),
    *(
        "7.3.4-1~bpo13+1",
        "7.3.4-1",
        "1:0.1",
        "0",
        "00",
        "1",
        "1.",
        "1~",
        "1~~",
        "1-0",
        "1.0",
        "0~",
        "0-0",
    ),
)


def dpkg_compare(left: str, right: str) -> int:
    for relation, result in (("lt", -1), ("gt", 1)):
        command = ["dpkg", "--compare-versions", left, relation, right]
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return result
    return 0


def test_versions_sort_as_dpkg_sorts_them() -> None:
    theirs = sorted(VERSIONS, key=cmp_to_key(dpkg_compare))
    assert [sort_key(v) for v in theirs] == sorted(sort_key(v) for v in VERSIONS)


@settings(max_examples=60, deadline=None)
@given(*[st.from_regex(r"[0-9][0-9a-b.+~]{0,6}(-[0-9a-b.+~]{1,4})?", fullmatch=True)] * 2)
def test_any_two_versions_compare_as_dpkg_compares_them(left: str, right: str) -> None:
    ours = (sort_key(left) > sort_key(right)) - (sort_key(left) < sort_key(right))
    assert ours == dpkg_compare(left, right)


def test_a_spec_is_taken_apart() -> None:
    assert spec.parse("debian:trixie/6.12.117-1") == spec.Spec("debian", "trixie/6.12.117-1")
    assert spec.parse("host") == spec.Spec("host", "")
    assert str(spec.parse("deb:/a,/b")) == "deb:/a,/b"


@pytest.mark.parametrize("text", ["ubuntu:noble", "", "6.1", "Debian:bookworm", "/boot/vmlinuz"])
def test_an_unknown_scheme_names_the_known_ones(text: str) -> None:
    with pytest.raises(UsageProblem, match="write one of debian:SUITE") as raised:
        spec.parse(text)
    schemes = [
        "debian",
        "debian-source",
        "git",
        "deb",
        "rpm",
        "tar",
        "tree",
        "dir",
        "image",
        "host",
    ]
    assert sorted(spec.SOURCES) == sorted(schemes)
    assert all(source.spelling in str(raised.value) for source in spec.SOURCES.values())


@pytest.mark.parametrize("text", ["debian:", "debian", "deb:", "dir", "host:6.1"])
def test_an_incomplete_spec_says_how_to_write_it(text: str) -> None:
    with pytest.raises(UsageProblem, match="incomplete kernel spec"):
        spec.parse(text)


def test_a_debian_request() -> None:
    assert debian.parse_request("trixie") == debian.Request("trixie", None)
    assert debian.parse_request("bookworm/6.1.176").spec == "debian:bookworm/6.1.176"


@pytest.mark.parametrize("text", ["Book worm", "bookworm/", "../x", "a/../b", "-o/1", "x/-1", "/6"])
def test_a_bad_debian_request_is_one_line(text: str) -> None:
    with pytest.raises(UsageProblem, match="write") as raised:
        debian.parse_request(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        ("6.1.176", True),
        ("6.1.176-1", True),
        ("6.1.0-50", True),
        ("6.1.0-50-amd64", True),
        ("6.1", True),
        ("6.1.17", False),
        ("6.1.0-5", False),
        ("6.12", False),
    ],
)
def test_a_version_is_a_prefix_that_cuts_no_number(wanted: str, accepted: bool) -> None:
    request = debian.Request("bookworm", wanted)
    assert request.accepts("6.1.176-1", "6.1.0-50-amd64") is accepted


def test_special_flavours_are_taken_only_by_their_full_name() -> None:
    release = "6.1.0-50-rt-amd64"
    assert not debian.Request("bookworm", "6.1.176").accepts("6.1.176-1", release)
    assert debian.Request("bookworm", release).accepts("6.1.176-1", release)


def stanza(release: str, version: str, depends: str = "kmod") -> apt.Stanza:
    return {"Package": f"linux-image-{release}", "Version": version, "Depends": depends}


def test_the_newest_accepted_image_is_chosen() -> None:
    stanzas = [
        stanza("6.1.0-9-amd64", "6.1.90-1"),
        stanza("6.1.0-10-amd64", "6.1.100-1"),
        stanza("6.1.0-10-amd64-dbg", "6.1.100-1"),
        stanza("6.12.1-amd64", "6.12.1-1~deb12u1"),
    ]
    chosen = debian.choose(stanzas, debian.Request("bookworm", "6.1"))
    assert chosen is not None
    assert (chosen.release, chosen.version) == ("6.1.0-10-amd64", "6.1.100-1")
    assert debian.choose(stanzas, debian.Request("bookworm", "7")) is None


def test_the_split_layout_names_its_parts() -> None:
    depends = (
        "dracut | initramfs-tools (>= 0.120), linux-base-7.2.1-amd64 (= 7.2.1-1),"
        " linux-binary-7.2.1-amd64 (= 7.2.1-1), linux-modules-7.2.1-amd64 (= 7.2.1-1)"
    )
    chosen = debian.choose([stanza("7.2.1-amd64", "7.2.1-1", depends)], debian.Request("forky"))
    assert chosen is not None
    kinds = ("image", "base", "binary", "modules")
    assert chosen.parts == tuple((f"linux-{kind}-7.2.1-amd64", "7.2.1-1") for kind in kinds)


def test_an_unknown_version_lists_those_there_are() -> None:
    stanzas = [stanza(f"6.1.0-{n}-amd64", f"6.1.{n}-1") for n in range(1, 16)]
    told = str(debian.unknown_version(debian.Request("bookworm", "9"), stanzas))
    assert told.startswith("debian:bookworm/9: no such version; bookworm has 6.1.15-1, 6.1.14-1,")
    assert told.endswith(" and 3 older")


def test_a_configuration_becomes_a_mapping() -> None:
    text = samples.CONFIG + 'CONFIG_A="say \\"yes\\""\nCONFIG_HEX=0x10\n'
    assert config.parse(text) == {
        "NUMA": "y",
        "DUMMY": "m",
        "LOCALVERSION": "-lab",
        "A": 'say "yes"',
        "HEX": "0x10",
    }


def parse_image(data: bytes) -> ImageFacts:
    return image.parse(data, "vmlinuz")


def test_an_image_names_its_release_and_debian_version() -> None:
    facts = parse_image(samples.image())
    assert (facts.release, facts.version) == (samples.RELEASE, "6.1.99-1")
    assert str(facts.arch) == "x86_64"
    assert parse_image(samples.image("6.19.0-lab+", "(me) #1 SMP")).version == "6.19.0-lab+"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"\x7fELF" + bytes(0x400), "uncompressed ELF vmlinux"),
        (bytes(0x38) + b"\x05\x23\0\0" + bytes(0x400), "kernel for riscv"),
        (b"hello" * 300, "not a kernel image"),
        (samples.image().replace(b"HdrS\0", b"HdrX\0", 1), "not a kernel image"),
        (samples.image("\xff\xfe"), "does not name its release"),
        (samples.image(payload=bytes(99999))[:5000], "cut short"),
        (samples.image()[:0x236] + b"\0" + samples.image()[0x237:], "32-bit"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, told: str) -> None:
    with pytest.raises(UsageProblem, match=told):
        parse_image(data)


@pytest.mark.parametrize(
    ("member", "kept"),
    [
        ("./boot/vmlinuz-6.1", "vmlinuz-6.1"),
        ("boot/bzImage-6.1", "vmlinuz-6.1"),
        ("./boot/config-6.1", "config-6.1"),
        ("./usr/lib/modules/7.2/vmlinuz", "vmlinuz-7.2"),
        ("lib/modules/7.2/config", "config-7.2"),
        ("./lib/modules/6.1/kernel/a.ko.xz", "lib/modules/6.1/kernel/a.ko.xz"),
        ("./lib/modules/6.1/modules.builtin", "lib/modules/6.1/modules.builtin"),
        ("./lib/modules/6.1/modules.dep", None),
        ("./lib/modules/6.1/build", None),
        ("./boot/System.map-6.1", None),
        ("./usr/share/doc/x", None),
        ("./boot/vmlinuz", "vmlinuz"),
        ("usr/src/linux-headers-6.1/Makefile", "headers/6.1/Makefile"),
        ("./usr/src/kernels/6.1/include/a.h", "headers/6.1/include/a.h"),
    ],
)
def test_where_a_packages_file_goes(member: str, kept: str | None) -> None:
    assert layout.place(member) == kept


@given(st.text(alphabet="./abmodulesvmlinuz-", max_size=40))
def test_no_safe_member_is_placed_outside(name: str) -> None:
    target = None if layout.is_unsafe(name) else layout.place(name)
    assert target is None or not layout.is_unsafe(target)


URIS = """\
'http://mirror.example/debian/dists/bookworm/InRelease' x 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0
'http://mirror.example/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz' x 0
'http://vendor.example/dists/bookworm/main/binary-amd64/Packages.xz' x 0
'http://tools.example/dists/nodistro/main/binary-amd64/Packages.xz' x 0
'mirror+file:/etc/apt/mirrors.list/dists/bookworm-security/main/binary-amd64/Packages.xz' x 0
"""


def test_the_machines_mirrors_are_found_among_other_archives() -> None:
    assert mirrors.parse_indexes(URIS) == (
        "http://mirror.example/debian",
        "mirror+file:/etc/apt/mirrors.list",
    )
    assert mirrors.parse_indexes("") == (None, None)


def test_mirrors_the_user_names_win() -> None:
    named = {"HOTREMOVE_MIRROR": "file:///m/", "HOTREMOVE_SECURITY_MIRROR": "file:///s"}
    found = mirrors.find(named)
    assert (found.main, found.security) == ("file:///m", "file:///s")
    with pytest.raises(UsageProblem, match="not a file"):
        mirrors.find({**named, "HOTREMOVE_MIRROR_KEYRING": "/nonesuch"})


def test_stanzas_and_uris_of_apt() -> None:
    text = "Package: a\nVersion: 1\nDescription: x\n more: y\n\nPackage: b\nVersion: 2\n\n"
    assert [s["Package"] for s in apt.parse_stanzas(text)] == ["a", "b"]
    found = apt.parse_uri(f"'http://mirror.example/a.deb' a_1_amd64.deb 70 SHA256:{'0' * 64}\n")
    assert found == apt.Archive("http://mirror.example/a.deb", "a_1_amd64.deb", 70, "0" * 64)
    assert apt.parse_uri("E: no such package") is None


def test_apts_first_error_is_one_line() -> None:
    output = "Err:1 x\nW: GPG error: http://m s: NO_PUBKEY 1\nE: The repository is not signed.\n"
    assert apt.first_error(output) == "GPG error: http://m s: NO_PUBKEY 1"
    assert apt.first_error("") == "no reason given"


def test_a_full_disk_is_no_network_failure() -> None:
    told = str(apt.failure("fetching", "E: Write error - write (28: No space left on device)\n"))
    assert told == "no disk space left while fetching: free some, or set HOTREMOVE_CACHE"
    assert isinstance(apt.failure("fetching", "E: Could not resolve\n"), apt.Unreachable)
