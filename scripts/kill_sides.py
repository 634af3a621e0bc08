"""Events on the processes of real services, and what their receivers saw of them.

kill_sides.py VOILE FOLDER EVENTS SEED SERVICES: rounds of twelve events, each round on a service of its own, several
services at once. What a round does depends on the seed and its number alone; its results are a line in
FOLDER/SEED.jsonl, and rounds that have a line are not played again. An event comes while the service streams or, one in
four, while it starts. In every tenth round the same side dies again and again, until the interlock trips.

Every packet is recorded with the moment at which the kernel took it, and a round's packets are decoded and judged at
its end (chequer.py). Asserted: no picture leaks; after each event the stream goes on, or another begins, or the service
is down and latched because a side died too often, sends nothing when started, and streams again once it is reset as an
operator would; nothing of a stream comes SILENT seconds after its death; no process is left over. Times are reported,
not asserted: they are the machine's as much as the service's.
"""

import contextlib
import hashlib
import json
import math
import os
import random
import resource
import select
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import chequer
from kill_service import PROCESSES, Failed, Radio, Service

ROUND, SAME_SIDE_EVERY = 12, 10
EVENTS = ["killed", "crashed", "stopped", "stopped, then killed"]
# How long what is under way may take to come out of a dead service, in seconds.
SILENT = 2.0


def strike(service: Service, lot: random.Random, name: str, event: str, early: bool) -> dict:
    """One event: what was done, and at which moments. Strikes again where a process ended of the event before."""
    while True:
        process = target(service, lot, name, early)
        try:
            return blow(service, lot, process, name, event) | {"early": early}
        except ProcessLookupError:
            continue
        finally:
            os.close(process)


def target(service: Service, lot: random.Random, name: str, early: bool) -> int:
    """The process to strike, at its moment."""
    if not early:
        service.flow()
    # Of those at the start, half come before a process has come to itself.
    return service.descriptor(name, lot.uniform(0.0, lot.choice([0.02, 0.4])) if early else lot.uniform(0.05, 1.0))


def ended(process: int) -> bool:
    return bool(select.select([process], [], [], 0)[0])


def blow(service: Service, lot: random.Random, process: int, name: str, event: str) -> dict:
    """One event on a process that lives."""
    radio = service.radio
    moment = woken = time.time()
    if event.startswith("stopped"):
        signal.pidfd_send_signal(process, signal.SIGSTOP)
        radio.listen(lot.uniform(0.1, 1.0))
        woken = time.time()
    if ended(process):
        raise ProcessLookupError
    if event == "stopped":
        signal.pidfd_send_signal(process, signal.SIGCONT)
        service.woken = woken
    else:
        # While it starts, the runtime takes the first fault that comes from outside for none of its own.
        while not ended(process):
            woken = service.gone = service.woken = time.time()
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGSEGV if event == "crashed" else signal.SIGKILL)
            radio.receive()
        service.deaths[name] += 1
        if event != "stopped, then killed" or name == "supervisor":
            # A supervisor that hangs harms nobody; its death ends the sides.
            moment = woken
        if name == "supervisor" and not radio.listen(SILENT, lambda: service.down() and not service.left_over()):
            raise Failed(f"processes {service.left_over()} live {SILENT:.0f} s after their supervisor's death")
    return {"process": name, "event": event, "moment": moment, "woken": woken}


def times(radio: Radio, row: dict, measured: bool) -> None:
    """Seconds from an event to the last packet and, if no other event came before it, from its end to the next."""
    moment, woken, lives = row.pop("moment"), row.pop("woken"), row["event"] == "stopped"
    if lives:
        seen = [at for at, _ in radio.arrivals if moment < at < woken]
        after = [at for at, _ in radio.arrivals if at > woken]
    else:
        seen = [at for at, stream in radio.arrivals if at > moment and radio.began[stream] < woken]
        after = [began for began in radio.began.values() if began > woken]
        if max(seen, default=woken) - woken > SILENT:
            raise Failed(f"a packet {max(seen) - woken:.1f} s after its stream's death by {row}")
    # The stream goes on while a supervisor is stopped.
    row["dark"] = None if lives and row["process"] == "supervisor" else max(seen, default=moment) - moment
    row["back"] = min(after) - woken if measured and after else None


def play(voile: str, folder: Path, clip: Path, seed: int, number: int) -> dict:
    """One round."""
    lot = random.Random(f"{seed} {number}")
    side = lot.choice(["dark", "lit"]) if number % SAME_SIDE_EVERY == SAME_SIDE_EVERY - 1 else None
    plan = [(side or lot.choice(PROCESSES), lot.choice(EVENTS), lot.random() < 0.25) for _ in range(ROUND)]
    service = Service(voile, folder, clip)
    radio, rows, result = service.radio, [], {"round": number}
    try:
        for name, event, early in plan:
            rows.append(strike(service, lot, name, event, early))
        service.flow()
        # Long enough for pictures that are no slates any more, and for health to tell of them.
        radio.listen(1.5)
        result["clear"] = json.loads((folder / "run/health.json").read_text())["clear_share"]
        result["stop"] = service.stop()
        for row, (_, _, next_early) in zip(rows, [*plan[1:], (None, None, False)], strict=True):
            times(radio, row, not next_early)
        if strays := service.left_over():
            raise Failed(f"processes {strays} are left over")
    except Failed as failed:
        result["failed"] = f"{failed} (after {len(rows)} of {plan})"
    finally:
        for pid in service.left_over():
            os.kill(pid, signal.SIGKILL)
        service.process.wait()
        radio.close()
    stream = folder / "stream.h264"
    stream.write_bytes(b"".join(map(chequer.annex_b, radio.streams.values())))
    leaks = chequer.judge(stream, folder)
    if any(payloads[0][0] & 31 != 7 for payloads in radio.streams.values()):
        result.setdefault("failed", "a stream that does not begin with a parameter set")
    if len(leaks) < radio.units:
        result.setdefault("failed", f"{radio.units} units came and only {len(leaks)} pictures could be judged")
    told = [f"{at}: {chequer.number_of(leak)}, {len(leak)} tiles" for at, leak in enumerate(leaks) if leak]
    return result | {"events": rows, "latched": service.latched, "units": radio.units, "pictures": len(leaks),
                     "leaks": told, "late": radio.late}


def campaign(voile: str, results: Path, clip: Path, seed: int, rounds: list[int], services: int) -> None:
    """Plays rounds, several at once; adds to the results, and keeps beside them the evidence of those that failed."""
    lock, waiting, begun, played = threading.Lock(), iter(rounds), time.monotonic(), 0

    def work() -> None:
        nonlocal played
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            place = results.parent / f"{seed}-{number}"
            result = play(voile, place, clip, seed, number)
            with lock, results.open("a") as file:
                file.write(json.dumps(result) + "\n")
                played += 1
                spent = time.monotonic() - begun
                print(f"round {number}, {played} of {len(rounds)} after {spent:.0f} s", file=sys.stderr)
            if not result["leaks"] and "failed" not in result:
                shutil.rmtree(place)

    workers = [threading.Thread(target=work) for _ in range(services)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def told(values: list[float]) -> str:
    """The 99th percentile and the worst, in milliseconds."""
    if not values:
        return "- | -"
    values = sorted(values)
    return f"{values[math.ceil(len(values) * 0.99) - 1] * 1000:.0f} | {values[-1] * 1000:.0f}"


def report(results: list[dict]) -> bool:
    """Prints what happened; whether all was as it should be."""
    rows = [row for result in results for row in result["events"]]
    print("| Process | Event | times | at start | to the last packet, ms: 99 % | worst "
          "| to the next picture, ms: 99 % | worst |")
    print("|---|---|---|---|---|---|---|---|")
    for name in PROCESSES:
        for event in EVENTS:
            these = [row for row in rows if (row["process"], row["event"]) == (name, event)]
            early = sum(row["early"] for row in these)
            dark, back = ([row[key] for row in these if row.get(key) is not None] for key in ("dark", "back"))
            print(f"| {name} | {event} | {len(these)} | {early} | {told(dark)} | {told(back)} |")
    total = {key: sum(result[key] for result in results) for key in ("latched", "units", "pictures")}
    clear = sorted(result["clear"] or 0 for result in results if "clear" in result)
    late = sorted(result["late"] for result in results if "late" in result) or [0.0]
    stops = [result["stop"] for result in results if "stop" in result]
    bad = [f"round {result['round']}: leak at picture {leak}" for result in results for leak in result["leaks"]]
    bad += [f"round {result['round']}: {result['failed']}" for result in results if "failed" in result]
    print(f"\n{len(rows)} events in {len(results)} rounds; {total['latched']} trips latched and reset; "
          f"{total['units']} units received whole, {total['pictures']} pictures decoded, "
          f"{sum(len(result['leaks']) for result in results)} leaks; "
          f"{clear[len(clear) // 2] if clear else 0:.0%} of a picture sent clear in the median; "
          f"an orderly stop took {max(stops, default=0) * 1000:.0f} ms at most; the machine woke the receiver itself "
          f"{late[len(late) // 2] * 1000:.0f} ms late in the median round and {late[-1] * 1000:.0f} ms in the worst")
    print("\n".join(bad))
    return not bad


def main() -> int:
    voile, folder = os.path.abspath(sys.argv[1]), Path(sys.argv[2]).absolute()
    events, seed, services = map(int, sys.argv[3:6])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder.mkdir(parents=True, exist_ok=True)
    clip = chequer.make_clip(voile, folder)
    print(chequer.prove(voile, clip, folder))
    # What another build went through proves nothing of this one.
    build = hashlib.sha256(Path(voile).read_bytes()).hexdigest()[:12]
    rounds, results = range(math.ceil(events / ROUND)), folder / f"{seed}-{build}.jsonl"
    results.touch()
    done = {json.loads(line)["round"] for line in results.read_text().splitlines()}
    campaign(voile, results, clip, seed, [number for number in rounds if number not in done], services)
    lines = map(json.loads, results.read_text().splitlines())
    played = [line for line in lines if line["round"] in rounds]
    return 0 if report(played) and len(played) == len(rounds) else 1


sys.exit(main())
