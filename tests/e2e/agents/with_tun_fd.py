"""Opens a TUN device, with virtio-net headers or without, and runs a command that finds it in WG_TUN_FD.

with_tun_fd.py INTERFACE plain|headers COMMAND [ARGUMENT...]
"""

import fcntl
import os
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000


def main() -> None:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    flags = IFF_TUN | IFF_NO_PI | (IFF_VNET_HDR if sys.argv[2] == "headers" else 0)
    request = struct.pack("16sH22x", sys.argv[1].encode(), flags)
    fcntl.ioctl(fd, TUNSETIFF, request)
    os.set_blocking(fd, False)
    os.set_inheritable(fd, True)
    os.environ["WG_TUN_FD"] = str(fd)
    os.execvp(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()
