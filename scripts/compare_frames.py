"""Compares the frames that a receiver showed with those of the sent stream, by their hashes.

compare_frames.py REFERENCE.md5 SHOWN.md5 FRAMES KEYS clean|torn [LOST]: ffmpeg's framemd5 files, ffprobe's packet flags
(a line a frame, K for key frames), and lossy_relay.py's list of the frames that lost a packet. Each frame must be shown exactly
as sent unless a packet was lost in it or since the last key frame; with `torn` also unless the frame just before that key
frame lost one. Exits 1 if not.
"""
import sys


def hashes(path):
    with open(path, encoding="ascii") as lines:
        return [line.rsplit(",", 1)[1].strip() for line in lines if not line.startswith("#")]


frames = int(sys.argv[3])
with open(sys.argv[4], encoding="ascii") as lines:
    keys = {at for at, line in enumerate(line for line in lines if line.strip()) if line.startswith("K")}
reference, shown = hashes(sys.argv[1])[:frames], hashes(sys.argv[2])
lost = set()
if len(sys.argv) > 6:
    with open(sys.argv[6], encoding="ascii") as lines:
        lost = {int(line.split()[1]) for line in lines if line.startswith("frame ")}
if not lost:
    print(f"frames   the same as in the file, in order: {reference == shown}")
    sys.exit(reference != shown)
seen = set(shown)
wrong, smeared, hit, due, broken, behind, hole, longest = [], 0, 0, 0, False, False, 0, 0
for at, one in enumerate(reference):
    broken = at in lost or (broken and at not in keys)
    if at in keys:
        behind = sys.argv[5] == "torn" and at - 1 in lost
    whole = one in seen
    hole = 0 if whole else hole + 1
    longest = max(longest, hole)
    hit += whole
    due += not broken
    if not broken and not whole and behind:
        smeared += 1
    elif not broken and not whole:
        wrong.append(at)
print(f"frames   {len([at for at in keys if at < frames])} key frames, {len(keys & lost)} of them torn")
print(f"frames   packets lost in {len(lost)} of {frames} frames; {due} had all they need; {hit} shown as sent, longest hole {longest} frames")
if smeared:
    print(f"frames   not as sent in groups right behind a torn frame: {smeared}")
print(f"frames   not as sent although they had all they need: {len(wrong)} {wrong[:10] or ''}")
sys.exit(bool(wrong) or due == 0 or hit == frames)
