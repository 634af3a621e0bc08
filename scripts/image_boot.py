"""Boots the image of scripts/image in qemu, receives what it sends by radio, and judges that.

Knows the machine, the operator's part of its disk, and where the people are in the picture that its camera shows.
Changes nothing else on the disk, but for the root that is broken on purpose between two starts.
"""

import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import chequer

OUT, WORK = Path(os.environ["OUT"]), Path(os.environ["WORK"])
DISK = WORK / "disk.img"
# EDK II, which tells the kernel of its devices by ACPI; and U-Boot, which does by a device tree, as small boards have.
EDK, U_BOOT = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd", WORK / "tools/usr/lib/u-boot/qemu_arm64/u-boot.bin"
# Longest that the stages up to a power-off may take, in seconds.
PATIENCE = 2400
# What is received, of a picture that vivid shows as 1280x720.
WIDTH, HEIGHT = 320, 240
# People in picture 300 of vtest.avi, 768x576: left, top, width, height, as PETS2009 has them.
PEOPLE = [(247, 158, 24, 64), (299, 160, 28, 74), (584, 156, 26, 74), (621, 160, 21, 72), (184, 157, 25, 76),
          (317, 212, 31, 86)]
# Nobody is there: two patches of the lawn with clothes on it, and the street.
NOBODY = [(60, 490, 110, 40), (310, 440, 50, 40), (380, 290, 120, 60)]
SHOWN = (768, 576)
# Likeness to the raw picture, from -1 to 1: below the first, a part is covered; above the second it is seen.
COVERED, SEEN = 0.35, 0.8


def edges(luma: bytes, box: tuple[int, int, int, int]) -> list[int]:
    """Steps from pixel to pixel, across and down, in a box of the picture that is shown."""
    left, top, width, height = (round(value * WIDTH / SHOWN[0]) for value in box)
    steps = []
    for y in range(top, min(top + height, HEIGHT - 1)):
        for at in range(y * WIDTH + left, y * WIDTH + left + width):
            steps += (luma[at + 1] - luma[at], luma[at + WIDTH] - luma[at])
    return steps


def likeness(a: list[int], b: list[int]) -> float:
    """Correlation of two lists; of a constant one, 0."""
    energy = (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5
    return sum(x * y for x, y in zip(a, b)) / energy if energy else 0.0


class Judge:
    """Tells of each picture which people are seen in it, and whether anything is."""

    def __init__(self, raw: bytes) -> None:
        self.people = [(box, edges(raw, box)) for box in PEOPLE]
        self.nobody = [(box, edges(raw, box)) for box in NOBODY]

    def seen(self, luma: bytes) -> tuple[float, bool]:
        """The greatest likeness of a person, and whether a place where nobody is is seen."""
        people = max(likeness(edges(luma, box), steps) for box, steps in self.people)
        return people, any(likeness(edges(luma, box), steps) > SEEN for box, steps in self.nobody)


def pictures(stream: Path) -> list[bytes]:
    """Luma of every picture of an H.264 stream."""
    size = f"{WIDTH}:{HEIGHT}"
    planes = chequer.ffmpeg("-f", "h264", "-i", stream, "-fps_mode", "passthrough", "-vf", f"scale={size}",
                            "-pix_fmt", "gray", "-f", "rawvideo", "-")
    return [planes[at:at + WIDTH * HEIGHT] for at in range(0, len(planes), WIDTH * HEIGHT)]


def raw_picture() -> bytes:
    """Luma of the picture as vivid scales it from 1280x720: every third line, of each eight pixels the first two."""
    shown = (WORK / "picture.yuv").read_bytes()
    lines = (shown[3 * y * 1280:(3 * y + 1) * 1280] for y in range(HEIGHT))
    return b"".join(line[at:at + 2] for line in lines for at in range(0, 1280, 8))


def prove(judge: Judge, raw: bytes) -> str:
    """The judge must see the people in a stream of the raw picture, and one of them in a covered one."""
    covered = bytearray(raw)
    for left, top, width, height in (tuple(round(v * WIDTH / SHOWN[0]) for v in box) for box in PEOPLE):
        for y in range(top - 4, top + height + 4):
            covered[y * WIDTH + left - 4:y * WIDTH + left + width + 4] = bytes((120,)) * (width + 8)
    one = bytearray(covered)
    left, top, width, height = (round(v * WIDTH / SHOWN[0]) for v in PEOPLE[2])
    for y in range(top, top + height):
        one[y * WIDTH + left:y * WIDTH + left + width] = raw[y * WIDTH + left:y * WIDTH + left + width]
    told = []
    for name, luma in (("raw", raw), ("one", one), ("covered", covered)):
        stream = WORK / f"{name}.h264"
        chequer.ffmpeg("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", 5, "-i", "-", "-pix_fmt",
                       "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "500k", "-f", "h264", stream,
                       given=bytes(luma) * 10)
        seen = [judge.seen(picture) for picture in pictures(stream)]
        people, clear = min(seen) if name != "covered" else max(seen)
        told.append(f"{name} {people:.2f}")
        if clear is not True or (people > COVERED) is (name == "covered"):
            raise chequer.Witness(f"the judge does not tell {name}: {people:.2f}, {clear}")
    return "likeness of people to the raw picture, " + ", ".join(told)


class Radio(threading.Thread):
    """The ground: every packet, when it came, and of which stream."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.packets: list[tuple[float, bytes]] = []

    def run(self) -> None:
        while True:
            self.packets.append((time.monotonic(), self.socket.recv(4096)))

    def between(self, begun: float, ended: float) -> dict[bytes, list[bytes]]:
        """Packets of each stream in the order of their numbers."""
        streams: dict[bytes, list[bytes]] = {}
        for at, packet in self.packets:
            if begun <= at <= ended and len(packet) > 12:
                streams.setdefault(packet[8:12], []).append(packet)
        return streams


class Image:
    """The disk under test, and what came of its starts."""

    def __init__(self) -> None:
        self.radio = Radio()
        self.marks: dict[str, list[float]] = {}
        self.failed = self.stages = 0
        self.slots = [self.roots(slot) for slot in "ab"]

    def say(self, good: bool, line: str) -> None:
        print(f"{'ok  ' if good else 'FAIL'}  {line}", flush=True)
        self.failed += not good

    def partition(self, name: str) -> tuple[int, int]:
        """First byte and length of a partition."""
        table = subprocess.run(["sfdisk", "--dump", DISK], check=True, capture_output=True, text=True).stdout
        found = re.search(rf'start= *(\d+), size= *(\d+),.*name="{name}"', table)
        if not found:
            raise chequer.Witness(f"no partition {name}")
        return int(found[1]) * 512, int(found[2]) * 512

    def roots(self, slot: str) -> str:
        at, length = self.partition(f"voile-{slot}")
        digest = hashlib.sha256()
        with DISK.open("rb") as disk:
            disk.seek(at)
            while length:
                block = disk.read(min(length, 1 << 20))
                digest.update(block)
                length -= len(block)
        return digest.hexdigest()

    def prepare(self) -> None:
        """Writes the operator's files, and no others, into the data partition."""
        config = WORK / "over/voile/voile.toml"
        config.write_text(config.read_text().replace("PORT", str(self.radio.port)))
        orders, over = [], WORK / "over"
        for path in sorted(over.rglob("*")):
            inside = f"/etc/{path.relative_to(over)}"
            if path.is_symlink():
                orders.append(f"symlink {inside} {path.readlink()}")
            elif path.is_dir():
                orders.append(f"mkdir {inside}")
            else:
                orders += [f"rm {inside}", f"write {path} {inside}"]
        at = self.partition("voile-data")[0]
        subprocess.run(["debugfs", "-w", "-f", "-", f"{DISK}?offset={at}"], check=True, capture_output=True,
                       input="\n".join(orders), text=True)

    def spoil(self, slot: str) -> None:
        """Puts a root there whose kernel starts and finds no system."""
        with DISK.open("r+b") as disk:
            disk.seek(self.partition(f"voile-{slot}")[0])
            disk.write((WORK / "bad.squashfs").read_bytes())

    def start(self, firmware: str | Path) -> None:
        """Runs the machine until it powers off.

        Its clock counts instructions, one a nanosecond, so that what it does in its own time depends neither on how
        fast the simulation is nor on other work beside it.
        """
        reads, writes = os.pipe()
        console = (OUT / "console.log").open("ab")
        command = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024",
                   "-accel", "tcg,tb-size=512", "-icount", "shift=0", "-bios", firmware,
                   "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
                   "-drive", f"file={DISK},format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk",
                   "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
                   "-device", "virtio-rng-pci", "-device", "i6300esb", "-device", "virtio-serial-pci",
                   "-chardev", f"file,id=probe,path=/dev/fd/{writes}",
                   "-device", "virtserialport,chardev=probe,name=probe"]
        machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, pass_fds=[writes])
        os.close(writes)
        late = threading.Timer(PATIENCE, machine.kill)
        late.start()
        with os.fdopen(reads, errors="replace") as lines:
            for line in lines:
                self.hear(line.rstrip())
        late.cancel()
        if machine.wait():
            self.say(False, f"the machine ended with {machine.returncode}: see {OUT}/console.log")

    def hear(self, line: str) -> None:
        print(line, flush=True)
        self.failed += line.startswith("FAIL")
        if found := re.match(r"stage (\d+) (begins|ends)", line):
            self.marks.setdefault(found[1], []).append(time.monotonic())
            self.stages += found[2] == "ends"

    def judge(self, judge: Judge, stage: str) -> None:
        """What came over the radio while a stage ran."""
        begun, *rest = self.marks.get(stage, [0.0])
        ended = rest[0] if rest else time.monotonic()
        shown, slates, worst, packets, lost, damaged = 0, 0, 0.0, 0, 0, 0
        for number, stream in enumerate(self.radio.between(begun, ended).values()):
            packets += len(stream)
            numbers = [int.from_bytes(packet[2:4], "big") for packet in stream]
            lost += sum((b - a) % 65536 != 1 for a, b in zip(numbers, numbers[1:]))
            # The last unit of a stream whose side was killed may not be whole, nor a picture at all.
            while stream and not stream[-1][1] >> 7:
                stream.pop()
            if not stream:
                continue
            file = WORK / f"stage-{stage}-{number}.h264"
            file.write_bytes(chequer.annex_b([packet[12:] for packet in stream]))
            units = sum(packet[1] >> 7 for packet in stream)
            decoded = pictures(file)
            damaged += abs(units - len(decoded)) > 1
            for picture in decoded:
                people, clear = judge.seen(picture)
                worst, shown, slates = max(worst, people), shown + clear, slates + (not clear)
                if people > COVERED:
                    (OUT / "leak.gray").write_bytes(picture)
        line = (f"stage {stage} over the radio: {packets} packets, {lost} gaps, {shown + slates} pictures, {shown} of "
                f"them clear where nobody is, {slates} slates; likeness of people to the raw at most {worst:.2f}")
        if stage == "2":
            self.say(packets == 0, f"stage 2, tripped: {packets} packets")
        else:
            self.say(shown >= 20 and worst <= COVERED and not damaged and not lost, line)


def main() -> int:
    raw = raw_picture()
    judge = Judge(raw)
    print(f"ok    the judge: {prove(judge, raw)}", flush=True)
    image = Image()
    (OUT / "console.log").write_bytes(b"")
    image.prepare()
    image.radio.start()
    begun = time.monotonic()
    image.start(EDK)
    if image.stages == 3:
        same = image.slots == [image.roots(slot) for slot in "ab"]
        image.say(same, "both roots are to the byte as they were flashed")
        image.spoil("a")
        image.start(U_BOOT)
        count = (OUT / "console.log").read_bytes().count(b"voile: slot a (")
        print(f"figure starts of slot a that the loader counted: {count}")
    image.say(image.stages == 4, f"{image.stages} of 4 stages came to their end")
    for stage in image.marks:
        image.judge(judge, stage)
    print(f"image: {time.monotonic() - begun:.0f} s", flush=True)
    return 1 if image.failed else 0


if __name__ == "__main__":
    sys.exit(main())
