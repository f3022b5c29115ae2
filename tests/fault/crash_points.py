"""The named places at which the crash test kills skaldd: see crash_point.cc.

A kill leaves what the system calls before it wrote, so a place is a call on a kind of file. Rows of
views, and read models with their checkpoints, are not logged: they reach disk by a flush alone, so
"between the log's write and the views'" is anywhere after a sync of the log, and "between rows and
checkpoint" or "while a rebuild swaps in" is within or after a flush.
"""

import dataclasses

SERVING, CLOSING, STARTING, ROTATING, REBUILDING = "serving", "closing", "starting", "rotating", "rebuilding"


@dataclasses.dataclass(frozen=True)
class Point:
    name: str
    phase: str     # what the server does then
    call: str      # operation and when
    pattern: str   # of the file's path
    nth_max: int = 1

    def text(self, rng):
        return f"{self.call.split()[0]} {self.call.split()[1]} {rng.randint(1, self.nth_max)} {self.pattern}"


POINTS = [
    Point("before a record is written", SERVING, "write before", "*/log/*.log", 80),
    Point("a record half written", SERVING, "write half", "*/log/*.log", 80),
    Point("written, not synced", SERVING, "sync before", "*/log/*.log", 80),
    Point("synced, not answered", SERVING, "sync after", "*/log/*.log", 80),
    Point("a kept checkpoint half written", SERVING, "write half", "*/audit_checkpoints", 3),
    Point("a kept checkpoint not synced", SERVING, "sync before", "*/audit_checkpoints", 3),
    Point("views half flushed", CLOSING, "write half", "*/views/*.sst"),
    Point("views flushed, not listed", CLOSING, "sync after", "*/views/*.sst"),
    Point("views half listed", CLOSING, "write half", "*/views/MANIFEST-*"),
    Point("views listed", CLOSING, "sync after", "*/views/MANIFEST-*"),
    Point("a rebuild swapped in, half flushed", REBUILDING, "write half", "*/views/*.sst"),
    Point("a rebuild swapped in and flushed", REBUILDING, "sync after", "*/views/MANIFEST-*"),
    Point("recovery: a table half written", STARTING, "write half", "*/log/*.sst", 3),
    Point("recovery: tables written, not listed", STARTING, "sync after", "*/log/*.sst", 3),
    Point("recovery: the list half written", STARTING, "write half", "*/log/MANIFEST-*", 2),
    Point("recovery: before a new list counts", STARTING, "rename before", "*/log/CURRENT"),
    Point("recovery: after a new list counts", STARTING, "rename after", "*/log/CURRENT"),
    Point("recovery: before an old log file goes", STARTING, "unlink before", "*/log/*.log"),
    Point("recovery: after the list of views", STARTING, "rename after", "*/views/CURRENT"),
    Point("rotation: the next key half written", ROTATING, "write half", "*/audit.key.next.new"),
    Point("rotation: the next key prepared", ROTATING, "rename after", "*/audit.key.next"),
    Point("rotation: recorded, not in use", ROTATING, "rename before", "*/audit.key"),
    Point("rotation: in use, the draft still there", ROTATING, "unlink before", "*/audit.key.next"),
    Point("rotation: done, not answered", ROTATING, "unlink after", "*/audit.key.next"),
]
