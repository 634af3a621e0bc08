"""A real service with a receiver of its own, for what kills it (kill_sides.py).

Knows how to start and stop it, where its processes are, and what an operator does after a trip. Judges no picture.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import chequer

# Longest wait for anything, in seconds.
PATIENCE = 60.0
# Deaths of a side within a minute that are survived (src/interlock/restarts.rs), and the exit code after one more.
SURVIVED, TRIPPED = 5, 4
# SO_TIMESTAMPNS, which Python's socket module does not name; the same on x86-64 and aarch64.
TIMESTAMP = 35
PROCESSES = ["dark", "lit", "supervisor"]
CONFIG = """
[camera]
source = "clip:{clip}"
[detect]
every = 4
passes = 1
[density]
{density}
[encode]
bitrate_kbps = {kbps}
threads = 1
[link]
url = "rtp://127.0.0.1:{port}"
[interlock]
state = "{folder}/state"
sandbox_min = 1
"""


class Failed(Exception):
    """What the service may not do."""


class Radio:
    """The receiver: every packet of every stream, and when it came."""

    def __init__(self) -> None:
        while True:
            self.media, self.reports = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            self.media.bind(("127.0.0.1", 0))
            self.port = self.media.getsockname()[1]
            try:
                # Sender reports, which hold no picture, go to the port above; nobody else's packets may come there.
                self.reports.bind(("127.0.0.1", self.port + 1))
                break
            except OSError:
                self.media.close()
        self.media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.media.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)
        self.streams: dict[bytes, list[bytes]] = {}
        self.arrivals: list[tuple[float, bytes]] = []
        self.began: dict[bytes, float] = {}
        self.units = 0
        # How late the machine woke the receiver at worst, which has the same weight as the services.
        self.late = 0.0

    def close(self) -> None:
        self.media.close()
        self.reports.close()

    def receive(self, longest: float = 0.01) -> None:
        begun = time.monotonic()
        self.media.settimeout(longest)
        try:
            packet, notes, *_ = self.media.recvmsg(4096, 64)
        except TimeoutError:
            self.late = max(self.late, time.monotonic() - begun - longest)
            return
        seconds, nanos = (int.from_bytes(notes[0][2][at:at + 8], "little") for at in (0, 8))
        moment, stream = seconds + nanos / 1e9, packet[8:12]
        self.arrivals.append((moment, stream))
        self.began.setdefault(stream, moment)
        self.streams.setdefault(stream, []).append(packet[12:])
        self.units += packet[1] >> 7

    def listen(self, longest: float, until: Callable[[], object] = lambda: False) -> bool:
        """Receives until something holds; whether it came to hold in time."""
        end = time.monotonic() + longest
        while not until():
            if time.monotonic() > end:
                return False
            self.receive()
        return True

    def flows(self, gone: float, woken: float) -> bool:
        """Whether a packet came after `woken`, of a stream that began after `gone`."""
        for moment, stream in reversed(self.arrivals):
            if moment <= woken:
                break
            if self.began[stream] > gone:
                return True
        return False


class Service:
    """A service with a folder and a receiver of its own."""

    def __init__(self, voile: str, folder: Path, clip: Path) -> None:
        self.voile, self.folder, self.radio = voile, folder, Radio()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "voile.toml").write_text(CONFIG.format(
            clip=clip, density=chequer.DENSITY, kbps=chequer.KBPS, port=self.radio.port, folder=folder))
        self.latched = 0
        # The moments of the last death and of the last waking.
        self.gone = self.woken = 0.0
        self.start()

    def start(self) -> None:
        self.deaths = dict.fromkeys(PROCESSES, 0)
        environment = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": f"{self.folder}/run"}
        with (self.folder / "log").open("ab") as log:
            command = [self.voile, "run", "--config", self.folder / "voile.toml"]
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=environment)

    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace").strip().rpartition("\n")[2]

    def down(self) -> bool:
        return self.process.poll() is not None

    def again(self) -> None:
        """Starts a service that is down, as systemd would or, after a trip, an operator on the ground."""
        if self.process.returncode == TRIPPED:
            self.reset()
        elif self.process.returncode >= 0:
            raise Failed(f"the service ended with {self.process.returncode}")
        self.start()

    def reset(self) -> None:
        if "tripped: died too often" not in self.said() or max(self.deaths.values()) <= SURVIVED:
            raise Failed(f"a trip that is not in the table after deaths {self.deaths}: {self.said()}")
        begun = time.time()
        self.start()
        self.radio.listen(PATIENCE, self.down)
        if self.process.returncode != TRIPPED or "tripped before" not in self.said():
            raise Failed(f"a trip that did not latch: {self.process.returncode}, {self.said()}")
        self.radio.listen(0.1)
        if self.radio.flows(begun, begun):
            raise Failed("a latched service sent something")
        (self.folder / "state/reset").touch()
        self.latched += 1

    def flow(self) -> None:
        """Waits until the service streams; starts one that is down."""
        while True:
            self.radio.listen(PATIENCE, lambda: self.radio.flows(self.gone, self.woken) or self.down())
            if self.radio.flows(self.gone, self.woken):
                return
            if not self.down():
                raise Failed(f"the service did not come back in {PATIENCE:.0f} s")
            self.again()

    def pid(self, name: str) -> int | None:
        """The process of this name, if it lives."""
        if name == "supervisor":
            return None if self.down() else self.process.pid
        try:
            for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
                if Path(f"/proc/{child}/cmdline").read_bytes().startswith(f"voile\0{name}\0".encode()):
                    return int(child)
        except OSError:
            pass
        return None

    def descriptor(self, name: str, pause: float) -> int:
        """The process of this name, `pause` seconds after it was seen first; starts a service that is down."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.down():
                self.again()
            if self.pid(name):
                self.radio.listen(pause)
                with contextlib.suppress(ProcessLookupError):
                    if pid := self.pid(name):
                        return os.pidfd_open(pid)
            self.radio.receive(0.001)
        raise Failed(f"no process {name} in {PATIENCE:.0f} s")

    def stop(self) -> float:
        """Ends the service in order; the time that took in seconds."""
        begun = time.monotonic()
        self.process.terminate()
        self.radio.listen(PATIENCE, self.down)
        if self.process.returncode != 0:
            raise Failed(f"SIGTERM ended the service with {self.process.returncode}")
        return time.monotonic() - begun

    def left_over(self) -> list[int]:
        """Processes of this service that live."""
        mark, found = f"{self.folder}/voile.toml".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                pass
        return found
