"""The network of an address, by which attempts and events are counted: an IPv6 host has any number of addresses."""

import ipaddress

_IPV6_PREFIX = 64  # what one host, or one house, is given


def network_of(address: str) -> str:
    """Return an IPv4 address as it is, the /64 of an IPv6 one; anything else unchanged.

    Parameters
    ----------
    address : str
        IPv4 within IPv6 (`::ffff:192.0.2.1`) counts as that IPv4 address.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    # A zone (`%eth0`) names an interface of this machine, no network.
    return str(ipaddress.ip_network((int(found), _IPV6_PREFIX), strict=False))
