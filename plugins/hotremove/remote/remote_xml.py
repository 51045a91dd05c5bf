# SPDX-License-Identifier: Apache-2.0
"""The XML of guests on other machines: nothing in it is a path of this one."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from lxml import etree
from lxml.builder import E

# Where domain_xml() is told that the channels are; what becomes of them does not depend on it.
NOWHERE = Path("/remote")


def remote_domain_xml(xml: str, title: str, console_log: Path) -> str:
    """A domain with its channels where libvirt's streams reach them.

    Args:
        xml: the domain as it would be on this machine.
        title: who it belongs to.
        console_log: file on the host that keeps the kernel's console as well, since a terminal
            forgets what was not read when its guest ends.
    """
    domain = etree.fromstring(xml.encode())
    for number, serial in enumerate(domain.iterfind("devices/serial")):
        _replace(serial, "source")
        serial.set("type", "pty")
        if number == 0:
            serial.insert(0, _element("log", file=str(console_log), append="off"))
    for channel in domain.iterfind("devices/channel"):
        _replace(channel, "source", _element("source", mode="bind"))
        channel.set("type", "unix")
    return with_title(etree.tostring(domain, encoding="unicode"), title)


def with_title(xml: str, title: str) -> str:
    """The same domain with another title."""
    domain = etree.fromstring(xml.encode())
    _replace(domain, "title")
    name = domain.find("name")
    assert name is not None, "a domain has a name"
    named = _element("title")
    named.text = title
    name.addnext(named)
    return etree.tostring(domain, encoding="unicode")


def title_of(xml: str) -> str:
    """A domain's title; empty when it has none."""
    return etree.fromstring(xml.encode()).findtext("title") or ""


def emulator_of(capabilities: str) -> str:
    """Path of QEMU on a host, by the capabilities of its domains."""
    return etree.fromstring(capabilities.encode()).findtext("path") or ""


def processor_of(capabilities: str) -> str:
    """What a host's capabilities say of its processor, as a text to compare."""
    cpu = etree.fromstring(capabilities.encode()).find("host/cpu")
    return "" if cpu is None else etree.tostring(cpu, encoding="unicode")


def _element(tag: str, **attributes: str) -> etree._Element:
    return cast("etree._Element", E(tag, attributes))


def _replace(parent: etree._Element, tag: str, new: etree._Element | None = None) -> None:
    for old in parent.findall(tag):
        parent.remove(old)
    if new is not None:
        parent.insert(0, new)
