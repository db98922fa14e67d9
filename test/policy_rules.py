# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Security policies as tests compare them."""

from xml.etree import ElementTree

ACCESSES = ('publish', 'subscribe', 'reply', 'request')


def rules_of(policy):
    """Enclave, and names that are allowed by access, for each (namespace, name) of a node in the XML of a policy."""
    found = {}
    for enclave in ElementTree.fromstring(policy).iter('enclave'):
        for profile in enclave.iter('profile'):
            node = profile.get('ns'), profile.get('node')
            names = {
                access: {
                    _full_name(name.text, *node) for rule in profile.findall(f'*[@{access}="ALLOW"]') for name in rule
                }
                for access in ACCESSES
            }
            found[node] = enclave.get('path'), names
    return found


def _full_name(name, namespace, node):
    """A name as sros2 reads it."""
    if name.startswith('/'):
        return name
    place = namespace.rstrip('/')
    return f'{place}/{node}{name[1:]}' if name.startswith('~') else f'{place}/{name}'
