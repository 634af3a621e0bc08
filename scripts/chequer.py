"""A clip that redaction cannot leave alone, and a judge that sees whether it did.

Every picture of the clip carries a fine chequer: squares of 2 px, in tiles of 16 px whose sign spells the picture's
number. With the density settings below, the governor takes out everything finer than about 8 px from whatever is sent
clear, and solid paint and slates have no detail at all: so a tile of a decoded picture that still has a quarter of the
chequer was not redacted, whatever the detector said. The judge is ffmpeg's decoder and filters; it shares no code with
voile.
"""

import subprocess
from pathlib import Path

WIDTH, HEIGHT, TILE = 256, 144, 16
COLUMNS, ROWS = WIDTH // TILE, HEIGHT // TILE
SECONDS, FPS, KBPS = 40, 30, 1000
AMPLITUDE, LEAK = 40, 10
# Bits of a picture's number, laid over the tiles again and again.
BITS = 12
# A camera 2 m above people's heads: 3.8 times as many pixels a metre as may be sent.
DENSITY = "min_height_m = 4\nhfov_deg = 70\nmax_px_per_m = 40\n"


class Witness(Exception):
    """What ffmpeg or the judge could not do."""


def ffmpeg(*words: object, given: bytes | None = None) -> bytes:
    command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", *map(str, words)]
    done = subprocess.run(command, check=False, input=given or b"", capture_output=True)
    if done.returncode:
        raise Witness(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout


def bit(tile: int) -> int:
    """Which bit of the number a tile shows."""
    return (tile % COLUMNS + 7 * (tile // COLUMNS)) % BITS


def picture(number: int, amplitude: int) -> bytes:
    """The chequer around grey, in the signs of `number` (a Gray code: neighbours differ in one bit)."""
    high, low = 128 + amplitude, 128 - amplitude
    even = bytes((high, high, low, low)) * (TILE // 4)
    odd = even[2:] + even[:2]
    gray = number ^ number >> 1
    luma = b""
    for row in range(ROWS):
        signs = [gray >> bit(row * COLUMNS + column) & 1 for column in range(COLUMNS)]
        pair = [b"".join((even, odd)[sign ^ line] for sign in signs) * 2 for line in (0, 1)]
        luma += b"".join(pair) * (TILE // 4)
    return luma + b"\x80" * (WIDTH * HEIGHT // 2)


def make_clip(voile: str, folder: Path) -> Path:
    """A synthetic flight in half contrast under the chequer."""
    clip = folder / "chequer.y4m"
    if clip.exists():
        return clip
    scene = [voile, "scene", "--seed", "7", "--seconds", str(SECONDS), "--size", f"{WIDTH}x{HEIGHT}", "--fps", str(FPS)]
    subprocess.run([*scene, "--out", folder / "scene", "--force"], check=True, capture_output=True)
    chequer = b"".join(picture(number, AMPLITUDE) for number in range(SECONDS * FPS))
    part = folder / "part.y4m"
    merge = "[1]lutyuv=y=72+val*0.4,setsar=1[scene];[0]setsar=1[fine];[fine][scene]blend=all_mode=grainmerge:shortest=1"
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}", "-r", FPS]
    ffmpeg(*raw, "-i", "-", "-i", folder / "scene/clip.y4m", "-filter_complex", merge, "-pix_fmt", "yuv420p", part,
           given=chequer)
    (folder / "scene/clip.y4m").unlink()
    return part.rename(clip)


def annex_b(payloads: list[bytes]) -> bytes:
    """RTP payloads (RFC 6184, mode 1) as a byte stream. A unit that was cut off goes on as far as it came."""
    stream = bytearray()
    for payload in payloads:
        if payload[0] & 31 != 28:
            stream += b"\0\0\0\1" + payload
            continue
        if payload[1] & 0x80:
            stream += b"\0\0\0\1" + bytes((payload[0] & 0xE0 | payload[1] & 31,))
        stream += payload[2:]
    return bytes(stream)


def judge(stream: Path, folder: Path) -> list[dict[int, float]]:
    """For each decoded picture, the tiles that leak and how strong the chequer is there, with its sign."""
    # Turning the chequer's black squares over makes it a step of the tile's mean, and of smooth pictures nothing.
    mask = folder / "chequer.gray"
    mask.write_bytes(picture(0, 127)[:WIDTH * HEIGHT])
    fold = ("[0]extractplanes=y,setsar=1[seen];[1]setsar=1[mask];[seen][mask]"
            f"lut2=c0='if(gt(y,128),x,255-x)':shortest=1,scale={COLUMNS}:{ROWS}:flags=area[tiles]")
    means = ffmpeg("-flags", "+output_corrupt", "-flags2", "+showall", "-f", "h264", "-i", stream,
                   "-stream_loop", -1, "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-i", mask,
                   "-filter_complex", fold, "-map", "[tiles]", "-fps_mode", "passthrough", "-pix_fmt", "gray",
                   "-f", "rawvideo", "-")
    tiles = COLUMNS * ROWS
    pictures = [means[at:at + tiles] for at in range(0, len(means), tiles)]
    low, high = 127.5 - LEAK, 127.5 + LEAK
    return [{} if low < min(seen) and max(seen) < high else
            {tile: mean - 127.5 for tile, mean in enumerate(seen) if abs(mean - 127.5) >= LEAK} for seen in pictures]


def number_of(leak: dict[int, float]) -> str:
    """The raw picture's number as far as the leaking tiles tell it."""
    signs: dict[int, float] = {}
    for tile, strength in leak.items():
        signs[bit(tile)] = signs.get(bit(tile), 0.0) + strength
    if len(signs) < BITS:
        return "of a number that too few tiles tell"
    number = gray = sum(1 << place for place, sum_ in signs.items() if sum_ < 0)
    while gray := gray >> 1:
        number ^= gray
    return f"number {number}"


def prove(voile: str, clip: Path, folder: Path) -> str:
    """The judge must see every raw picture, a lone raw tile in a redacted clip, and nothing in a redacted one."""
    config = folder / "proof.toml"
    config.write_text(f"[detect]\nevery = 4\n[density]\n{DENSITY}[encode]\nbitrate_kbps = {KBPS}\n")
    names = ("proof.y4m", "proof/redacted.h264", "raw.h264", "spot.h264")
    short, redacted, raw, spot = (folder / name for name in names)
    ffmpeg("-i", clip, "-t", 3, short)
    done = subprocess.run([voile, "replay", short, "--config", config, "--out", folder / "proof", "--force",
                           "--encoder", "h264", "--no-decode"], check=False, capture_output=True, text=True)
    if done.returncode > 1:
        raise Witness(f"voile replay: {done.stderr.strip()[-500:]}")
    code = ["-c:v", "libx264", "-preset", "veryfast", "-bf", 0, "-b:v", f"{KBPS}k", "-f", "h264"]
    ffmpeg("-i", short, *code, raw)
    at = f"{4 * TILE}:{3 * TILE}"
    paste = f"[1]crop={TILE}:{TILE}:{at}[tile];[0][tile]overlay={at}:enable='eq(n,50)'"
    ffmpeg("-r", FPS, "-i", redacted, "-i", short, "-filter_complex", paste, *code, spot)
    seen = {path.stem: judge(path, folder) for path in (raw, spot, redacted)}
    numbers = [number_of(leak) for leak in seen["raw"]]
    if numbers != [f"number {number}" for number in range(3 * FPS)]:
        raise Witness(f"the judge does not tell the pictures of a raw clip: {numbers[:3]} …")
    if [number for number, leak in enumerate(seen["spot"]) if leak][:1] != [50]:
        raise Witness("the judge does not see a raw tile in a redacted clip")
    if any(seen["redacted"]) or len(seen["redacted"]) != 3 * FPS:
        raise Witness("the judge sees raw tiles where there are none")
    tiles = sum(map(len, seen["raw"])) / len(numbers) / (COLUMNS * ROWS)
    return (f"the judge sees {len(numbers)} of {len(numbers)} raw pictures at {KBPS} kb/s ({tiles:.0%} of their "
            "tiles), a lone raw tile in a redacted one, and none in the redacted clip")
