"""Passes RTP and RTCP datagrams on and loses some of the RTP ones, the same each time.

lossy_relay.py FROM TO PERCENT [WHOLE]: port and port + 1 on the loopback; TO 0 swallows everything; WHOLE gets all of it.
Ends at SIGTERM with a line for each frame that lost a packet (`frame N`, counted by RTP time stamps from 0) and one that
sums up.
"""
import random
import select
import signal
import socket
import sys

source, target, percent = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
whole = int(sys.argv[4]) if len(sys.argv) > 4 else 0
chance = random.Random(7)
# A shell's background jobs ignore SIGINT, so SIGTERM ends it.
signal.signal(signal.SIGTERM, signal.default_int_handler)
sockets = []
for offset in (0, 1):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    one.bind(("127.0.0.1", source + offset))
    sockets.append(one)
seen = lost = 0
frames, torn = {}, set()
try:
    while True:
        for one in select.select(sockets, [], [])[0]:
            data, _ = one.recvfrom(65536)
            media = one is sockets[0]
            seen += media
            frame = frames.setdefault(data[4:8], len(frames)) if media else 0
            if whole:
                one.sendto(data, ("127.0.0.1", whole + (0 if media else 1)))
            if media and chance.random() * 100 < percent:
                lost += 1
                torn.add(frame)
            elif target:
                one.sendto(data, ("127.0.0.1", target + (0 if media else 1)))
except KeyboardInterrupt:
    for frame in sorted(torn):
        print(f"frame {frame}")
    print(f"relay: lost {lost} of {seen} packets")
