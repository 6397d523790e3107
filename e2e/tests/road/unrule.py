"""Deletes chains of the table `creel` in the network namespace that it runs in: unrule.py CHAIN…"""
import socket, struct, sys


def attribute(kind, text):
    value = text.encode() + b"\0"
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def message(kind, flags, family, res_id, body=b""):
    body = struct.pack("=BB", family, 0) + struct.pack(">H", res_id) + body
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


NFTABLES, DELCHAIN, DELRULE, INET, REQUEST, ACK = 10, 5, 8, 1, 1, 4
batch = message(0x10, REQUEST, 0, NFTABLES)
for chain in sys.argv[1:]:
    batch += message(NFTABLES << 8 | DELRULE, REQUEST, INET, 0, attribute(1, "creel") + attribute(2, chain))
    batch += message(NFTABLES << 8 | DELCHAIN, REQUEST | ACK, INET, 0, attribute(1, "creel") + attribute(3, chain))
batch += message(0x11, REQUEST, 0, NFTABLES)
netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
netfilter.bind((0, 0))
netfilter.settimeout(2)
netfilter.sendto(batch, (0, 0))
error = struct.unpack("=i", netfilter.recv(4096)[16:20])[0]
if error:
    raise OSError(-error, "nftables")
