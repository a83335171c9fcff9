#!/usr/bin/env python3
"""Generated packet scripts against two brokers side by side; each difference belongs to a class that is explained.

    differential.py --ours PORT --theirs PORT [--scripts 400] [--first 0] [--at-once 32]

Both begin without any state, ours with `persistence-enabled` false, so that nothing waits for a disk, and with the limits
that Mosquitto has: receiveMaximum=20;topicAliasMaximum=10;maximumPacketSize=-1;serverKeepAlive=-1.

Ends with exit code 1 on a difference without an explanation.
"""

import argparse
import asyncio
import collections
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "conformance"))

import differences
import player
import scripts


async def compare(seed, letter, options, patience=1.0):
    """The differences that a script makes."""
    script = scripts.Script(seed, letter)
    runs = [player.Player(script, port, patience).play() for port in (options.ours, options.theirs)]
    return differences.all_differences(script, *await asyncio.gather(*runs))


async def run(options):
    """Every difference that is explained, or that is there again when nothing else runs; with the seed."""
    found, suspects = [], []
    seeds = iter(range(options.first, options.first + options.scripts))

    async def work():
        for seed in seeds:
            come = await compare(seed, "d", options)
            found.extend((seed, difference) for difference in come if difference.classes)
            suspects.extend(seed for difference in come if not difference.classes)

    await asyncio.gather(*(work() for _ in range(options.at_once)))
    for seed in suspects:
        come = await compare(seed, "e", options, 3.0)
        found.extend((seed, difference) for difference in come if not difference.classes)
    return found


def report(found, options):
    explained = collections.Counter(name for _, difference in found for name in difference.classes)
    unexplained = collections.defaultdict(list)
    for seed, difference in sorted(found, key=lambda pair: pair[0]):
        if not difference.classes:
            unexplained[difference.key()].append(seed)
    for name, count in explained.most_common():
        print(f"{count:7} {name}")
    for key, seeds in sorted(unexplained.items(), key=lambda item: -len(item[1])):
        print(f"{len(seeds):7} NOT EXPLAINED {key}  seeds {seeds[:3]}")
    differing = len({seed for seed, _ in found})
    print(f"{options.scripts} scripts, {differing} with differences, {sum(map(len, unexplained.values()))} not explained")
    return bool(unexplained)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", type=int)
    parser.add_argument("--theirs", type=int)
    parser.add_argument("--scripts", type=int, default=400)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--classes", action="store_true", help="list the classes and do nothing else")
    options = parser.parse_args()
    if options.classes:
        print("\n".join(dict.fromkeys(name.split(":")[0] for name in differences.NAMES)))
        return
    if options.ours is None or options.theirs is None:
        parser.error("--ours and --theirs are needed")
    sys.exit(report(asyncio.run(run(options)), options))


if __name__ == "__main__":
    main()
