"""Black-box MQTT conformance examiner: judges the broker at a host and port."""

import argparse
import importlib
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # before the imports below: a run leaves no files behind

from client import Failure
from harness import CHECKS, LABELS, STREAMS, Skip
from streams import StreamError

# slow checks first, so that their waiting overlaps with all others
MODULES = ("timing", "will", "session", "connect", "packets", "properties", "publish", "acks",
           "subscribe", "shared", "topics", "retain", "websocket")
THREADS = 16


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--transport", choices=STREAMS, default="tcp")
    parser.add_argument("--filter", default="", help="run only checks whose id contains this")
    parser.add_argument("--list", action="store_true", help="print the ids and stop")
    parser.add_argument("--statements", action="store_true", help="print statement, version and check, and stop")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every check")
    return parser.parse_args()


def judge(instance, target):
    """The outcome of one check and, unless it passed, a line of explanation."""
    try:
        instance.run(target)
    except Skip as skip:
        return "skip", str(skip)
    except Failure as failure:
        return "FAIL", str(failure)
    except (StreamError, OSError) as error:
        return "FAIL", f"expected a connection, got {error}"
    except Exception:  # a broken check must be seen, not end the run
        return "FAIL", traceback.format_exc().strip().replace("\n", " | ")
    return "pass", ""


def main():
    options = arguments()
    for name in MODULES:
        importlib.import_module(f"checks_{name}")
    chosen = [instance for instance in CHECKS
              if options.filter in instance.id and instance.transport in (None, options.transport)]
    if options.list:
        print("\n".join(instance.id for instance in chosen))
        return 0
    if options.statements:
        shown = {f"{statement} v{LABELS[instance.version]} {instance.name}"
                 for instance in chosen for statement in instance.statements}
        print("\n".join(sorted(shown)))
        return 0
    target = (options.host, options.port, options.transport)
    counts = {"pass": 0, "skip": 0, "FAIL": 0}
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = pool.map(lambda instance: judge(instance, target), chosen)
        for instance, (outcome, text) in zip(chosen, outcomes):
            counts[outcome] += 1
            if outcome == "FAIL" or options.verbose:
                print(f"{outcome} {instance.id}: {text}" if text else f"{outcome} {instance.id}", flush=True)
    if counts["skip"]:
        print(f"{counts['skip']} skipped: optional features that the broker denies")
    print(f"{counts['pass']} passed, {counts['FAIL']} failed")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
