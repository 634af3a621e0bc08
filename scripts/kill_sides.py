"""Events on the sides of a real service, and what its receiver saw of them.

Each event has a service of its own on a small scene. What was sent before the event is under way for as long as the
link paces it; the last packet after the event is the time to a dark link. A side that was stopped goes on, one that
died is started again; the return is the first parameter set (NAL unit 7) of a key frame after the silence.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EVENTS = {"killed": signal.SIGKILL, "crashed": signal.SIGSEGV, "stopped": signal.SIGSTOP}
CONFIG = """
[camera]
source = "scene:{seed}"
width = 192
height = 112
fps = 30
[detect]
every = 4
[link]
url = "rtp://127.0.0.1:{port}"
[interlock]
state = "{folder}/state"
sandbox_min = 1
"""


def side(parent: int, name: str) -> int | None:
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if words[:2] == [b"voile", name.encode()] and int(status[1]) == parent:
            return int(entry.name)
    return None


def receive(radio: socket.socket) -> bytes | None:
    try:
        return radio.recv(4096)
    except TimeoutError:
        return None


def parameters(radio: socket.socket, limit: float, other_than: bytes | None = None) -> bytes | None:
    """The stream's number (SSRC) at the next parameter set."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        packet = receive(radio)
        if packet and len(packet) > 12 and packet[12] & 31 == 7 and packet[8:12] != other_than:
            return packet[8:12]
    return None


def once(voile: str, lot: random.Random, number: int) -> tuple[str, str, float, float]:
    name, event = lot.choice(["dark", "lit"]), lot.choice(list(EVENTS))
    with tempfile.TemporaryDirectory() as folder:
        radio = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        radio.bind(("127.0.0.1", 0))
        radio.settimeout(0.02)
        config = Path(folder) / "voile.toml"
        config.write_text(CONFIG.format(seed=number % 20 + 1, port=radio.getsockname()[1], folder=folder))
        environment = os.environ | {"RUNTIME_DIRECTORY": f"{folder}/run"}
        service = subprocess.Popen([voile, "run", "--config", config], env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            first = parameters(radio, 60)
            assert first, f"event {number}: no stream"
            end = time.monotonic() + lot.uniform(0.1, 1.5)
            while time.monotonic() < end:
                receive(radio)
            pid = side(service.pid, name)
            assert pid, f"event {number}: no {name} side"
            os.kill(pid, EVENTS[event])
            began = last = time.monotonic()
            while time.monotonic() - last < 0.09 and time.monotonic() - began < 5:
                if receive(radio):
                    last = time.monotonic()
            silent = last - began
            if event == "stopped":
                time.sleep(lot.uniform(0.1, 1.0))
                os.kill(pid, signal.SIGCONT)
            back = time.monotonic()
            assert parameters(radio, 60, first if event != "stopped" else None), f"event {number}: it never came back"
            return name, event, silent, time.monotonic() - back
        finally:
            service.terminate()
            service.wait()


def main() -> None:
    voile, events, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    lot = random.Random(seed)
    seen: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(events):
        name, event, silent, back = once(voile, lot, number)
        seen.setdefault((name, event), []).append((silent, back))
    print("| Side | Event | times | worst to the last packet, ms | worst to the stream's return, ms |")
    print("|---|---|---|---|---|")
    for (name, event), times in sorted(seen.items()):
        silent, back = (max(values) * 1000 for values in zip(*times))
        print(f"| {name} | {event} | {len(times)} | {silent:.0f} | {back:.0f} |")


main()
