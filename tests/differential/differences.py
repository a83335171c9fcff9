"""Differences between two brokers, each in a class that docs/conformance.md explains."""

import outcome
from levels import LEVELS
from partings import PARTS

NAMES = [name for name, _ in LEVELS + PARTS]


class Difference:
    """What two brokers did not do alike after a step."""

    def __init__(self, script, at, line, ours, theirs):
        self.script = script
        self.at = at
        self.step = script.steps[at]
        self.ours = ours[line]
        self.theirs = theirs.get(line, ())
        self.sender_ours = ours.get(self.step.at, ())
        self.sender_theirs = theirs.get(self.step.at, ())
        self.classes, self.goes_on = explain(self)

    def before(self):
        """Every packet that was sent until now: connection, draft."""
        return [(step.at, step.draft) for step in self.script.steps[:self.at + 1] if step.draft]

    def sent(self):
        """The bytes of the step, with those that it was joined to."""
        first = self.at
        while first and self.script.steps[first - 1].is_joined:
            first -= 1
        return b"".join(step.draft.bytes() for step in self.script.steps[first:self.at + 1] if step.draft)

    def version(self):
        return outcome.version_of(self.sent(), self.script.version)

    def key(self):
        """The difference in words that many scripts share."""
        done = f"v{self.script.version} {self.step.label()}"
        return f"{done}: ours {outcome.words(self.ours)} | theirs {outcome.words(self.theirs)}"


def all_differences(script, ours, theirs):
    """The differences up to the first behind which there is nothing to be compared."""
    found = []
    for at, (one, other) in enumerate(zip(ours, theirs)):
        for line in sorted(one):
            if one[line] != other.get(line):
                found.append(Difference(script, at, line, one, other))
                if not found[-1].goes_on:
                    return found
    return found


def explain(difference):
    """The names of the classes that explain a difference together, and whether the script can go on behind it."""
    ours, theirs = difference.ours, difference.theirs
    names = []
    for name, level in LEVELS:
        leveled = level(ours, difference), level(theirs, difference)
        if leveled != (ours, theirs):
            names.append(name)
            ours, theirs = leveled
        if ours == theirs:
            return names, not any(name.startswith("copies") for name in names)
    difference.ours_leveled, difference.theirs_leveled = ours, theirs
    for name, explains in PARTS:
        found = explains(difference)
        if found:
            return [name if found is True else f"{name}: {found}"], False
    return [], False
