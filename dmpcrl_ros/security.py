# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""SROS 2 policy of a system: each node may use its own topics and services only."""

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dmpcrl_ros.bringup import NodeSpec
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.endpoints import endpoints_of
from dmpcrl_ros.systems.system import System

_VERSION = '0.2.0'  # of the format: sros2's policy.xsd


def policy(nodes: Sequence[NodeSpec], system: System) -> str:
    """XML of the policy, for `ros2 security generate_artifacts`, with an enclave for each node.

    Args:
        nodes: of the system.
        system: of the nodes.

    Raises:
        SettingError: the nodes have no enclaves.
        NetworkError: the mapping of a bridge cannot be read.
    """
    root = Element('policy', version=_VERSION)
    enclaves = SubElement(root, 'enclaves')
    for node in nodes:
        if not node.enclave:
            raise SettingError('enclave must be given: without one all nodes have the same rights')
        enclave = SubElement(enclaves, 'enclave', path=node.enclave)
        profile = SubElement(SubElement(enclave, 'profiles'), 'profile', ns=node.full_namespace, node=node.name)
        endpoints = endpoints_of(node, system)
        _allow(profile, 'topic', 'publish', endpoints.publishes)
        _allow(profile, 'topic', 'subscribe', endpoints.subscribes)
        _allow(profile, 'service', 'reply', endpoints.serves)
    indent(root)
    return tostring(root, encoding='unicode')


def _allow(profile: Element, kind: str, access: str, names: Iterable[str]) -> None:
    rule = SubElement(profile, f'{kind}s', {access: 'ALLOW'})
    for name in sorted(names):
        SubElement(rule, kind).text = name
