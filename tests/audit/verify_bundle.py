#!/usr/bin/env python3
"""Verifies an audit bundle of Skald with Python's standard library alone.

Written from docs/formats.md and the public specifications it names, not from Skald's source, so that
the two check each other. Usage:

    verify_bundle.py BUNDLE KEY_FILE [KEPT_CHECKPOINT]

Exits with 0 when everything is proven, 1 when something is not (each problem a line with its place),
2 when the file is no bundle.
"""
import base64
import binascii
import hashlib
import json
import sys

FORMAT = "skald-audit-bundle/1"
END_FIELDS = {2: "SagaCompleted", 3: "SagaFaulted", 4: "SagaCancelled"}


class Unreadable(Exception):
    """The text is no bundle."""


def sha256(data):
    return hashlib.sha256(data).digest()


def unbase64(text):
    """Decodes base64 that has its one spelling."""
    if not isinstance(text, str):
        raise Unreadable(f"not base64: {text!r}")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"not base64: {text!r}") from error
    if base64.b64encode(data).decode() != text:
        raise Unreadable(f"not the one spelling: {text!r}")
    return data


# ---- Ed25519 (RFC 8032), on extended coordinates ----

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return (x * y % P, z * t % P, y * z % P, x * t % P)


def point_multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_decode(data):
    """The point, or None when these 32 bytes are none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = point_decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519_verify(public_key, text, signature):
    a, r = point_decode(public_key), point_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER or len(signature) != 64:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + text).digest(), "little") % ORDER
    left, right = point_multiply(s, BASE), point_add(r, point_multiply(k, a))
    return ((left[0] * right[2] - right[0] * left[2]) % P == 0 and
            (left[1] * right[2] - right[1] * left[2]) % P == 0)


# ---- Notes and checkpoints ----

class Key:
    def __init__(self, line):
        self.name, identity, data = line.strip().split("+", 2)
        data = unbase64(data)
        if len(data) != 33 or data[0] != 1:
            raise Unreadable("the key is no Ed25519 key")
        self.public_key = data[1:]
        self.id = sha256(self.name.encode() + b"\n\x01" + self.public_key)[:4]
        if self.id.hex() != identity:
            raise Unreadable("the key's id is not its own")


class Checkpoint:
    """Parses a note; `problem` tells why its signature is not to be trusted, if so."""

    def __init__(self, note, keys):
        if any(ord(c) < 0x20 and c != "\n" for c in note) or not note.endswith("\n"):
            raise ValueError("is no note")
        text, _, signatures = note.rpartition("\n\n")
        text += "\n"
        lines = text.split("\n")
        if len(lines) != 4 or not lines[0] or str(int(lines[1])) != lines[1]:
            raise ValueError("has not the lines origin, size and root")
        self.origin, self.size, self.root = lines[0], int(lines[1]), unbase64(lines[2])
        self.store, _, self.partition = self.origin.rpartition("/")
        if len(self.root) != 32 or str(int(self.partition)) != self.partition:
            raise ValueError("is not of a partition")
        self.partition = int(self.partition)
        self.problem = self.check(text, signatures.split("\n")[:-1], keys)

    def check(self, text, lines, keys):
        good = False
        for line in lines:
            dash, name, signature = line.split(" ")
            if dash != "\u2014":
                raise ValueError("has a line that is no signature")
            signature = unbase64(signature)
            for key in keys:
                if key.name == name == self.store and key.id == signature[:4]:
                    if not ed25519_verify(key.public_key, text.encode(), signature[4:]):
                        return "is signed wrongly"
                    good = True
        return None if good else "is not signed by the key"


# ---- Merkle trees (RFC 6962) ----

def node(left, right):
    return sha256(b"\x01" + left + right)


def split(size):
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def root_by_inclusion(leaf, index, size, path):
    """The root that a proof leads to; None when it has the wrong length."""
    if not 0 <= index < size:
        return None
    if size == 1:
        return leaf if not path else None
    if not path:
        return None
    left = split(size)
    if index < left:
        below = root_by_inclusion(leaf, index, left, path[:-1])
        return below and node(below, path[-1])
    below = root_by_inclusion(leaf, index - left, size - left, path[:-1])
    return below and node(path[-1], below)


def roots_by_consistency(old_size, size, path, old_root, whole=True):
    """The roots of the old and the new tree that a proof leads to, or None."""
    if old_size == size:
        if whole:
            return (old_root, old_root) if not path else None
        return (path[0], path[0]) if len(path) == 1 else None
    if not path:
        return None
    left = split(size)
    if old_size <= left:
        below = roots_by_consistency(old_size, left, path[:-1], old_root, whole)
        return below and (below[0], node(below[1], path[-1]))
    below = roots_by_consistency(old_size - left, size - left, path[:-1], old_root, False)
    return below and (node(path[-1], below[0]), node(path[-1], below[1]))


def is_consistent(old_size, old_root, size, root, path):
    if old_size == 0:
        return not path and old_root == sha256(b"")
    if old_size > size:
        return False
    return roots_by_consistency(old_size, size, path, old_root) == (old_root, root)


# ---- Protocol Buffers, as far as needed ----

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("varint")


def fields(data):
    """(number, value) of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = data[at:at + size], at + size
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError("wire type")
        if at > len(data):
            raise ValueError("cut")
        yield tag >> 3, value


class Header:
    def __init__(self, data):
        values = dict(fields(data))
        self.partition, self.first, self.count = (values.get(number, 0) for number in (2, 3, 4))
        self.namespace = values.get(5, b"").decode()
        self.saga_id = values.get(6, b"").decode()
        self.revision = values.get(7, 0)


# ---- The bundle ----

def load(text):
    """Parses a bundle and refuses what is not written as one."""
    try:
        bundle = json.loads(text)
        again = dumps(bundle)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if again != text:
        raise Unreadable("it is not spelled as a bundle is")
    if bundle["format"] != FORMAT:
        raise Unreadable("it has another format")
    return bundle


def dumps(bundle):
    """The one spelling: members in this order, no white space, a commit a line."""
    def text(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def pick(value, *names):
        if set(value) != set(names):
            raise ValueError(f"members {sorted(value)} instead of {sorted(names)}")
        return {name: value[name] for name in names}

    def part(value):
        return pick(value, "sha256", "data")

    pick(bundle, "format", "saga", "checkpoint", "consistency", "commits", "end")
    consistency = bundle["consistency"]
    head = {"format": bundle["format"], "saga": pick(bundle["saga"], "namespace", "saga_id"),
            "checkpoint": bundle["checkpoint"],
            "consistency": consistency and pick(consistency, "old_size", "old_root", "path")}
    commits = []
    for commit in bundle["commits"]:
        commit = pick(commit, "index", "leaf", "path", "header", "bodies", "slots")
        commit["bodies"] = part(commit["bodies"])
        commit["slots"] = [part(slot) for slot in commit["slots"]]
        commits.append(text(commit))
    end = pick(bundle["end"], "commits", "events")
    return (text(head)[:-1] + ',"commits":[\n' + ",\n".join(commits) + '\n],"end":' + text(end) + "}\n")


def digest_of(part, place, problems):
    digest = unbase64(part["sha256"])
    if part["data"] is not None and sha256(unbase64(part["data"])) != digest:
        problems.append(f"{place}: data and digest differ")
    return digest


def check_bodies(data, header, place, problems):
    """Returns the name of the event that ends the saga, if there is one."""
    ended = None
    try:
        events = [value for number, value in fields(data) if number == 1]
        for event in events:
            for number, _ in fields(event):
                ended = END_FIELDS.get(number, ended)
    except (ValueError, IndexError, TypeError):
        events = []
    if len(events) != header.count:
        problems.append(f"{place}.bodies: not the header's {header.count} events")
    return ended


def check_consistency(bundle, checkpoint, kept, problems):
    proof = bundle["consistency"]
    if proof and not is_consistent(proof["old_size"], unbase64(proof["old_root"]), checkpoint.size,
                                   checkpoint.root, [unbase64(each) for each in proof["path"]]):
        problems.append("consistency: not proven")
    if kept is None:
        return
    if kept.origin != checkpoint.origin:
        problems.append("checkpoint: of another log than the one that was kept")
    elif kept.size == checkpoint.size:
        if kept.root != checkpoint.root:
            problems.append("checkpoint: another root at the same size")
    elif not proof or proof["old_size"] != kept.size or unbase64(proof["old_root"]) != kept.root:
        problems.append("consistency: no proof from the checkpoint that was kept")


def verify(bundle, keys, kept=None):
    """Returns the problems, each a line, and a sentence about what is proven."""
    problems, ended, withheld = [], None, 0
    try:
        checkpoint = Checkpoint(bundle["checkpoint"], keys)
    except ValueError as error:
        return [f"checkpoint: {error}"], ""
    if checkpoint.problem:
        problems.append(f"checkpoint: {checkpoint.problem}")
    check_consistency(bundle, checkpoint, kept, problems)
    revision, events, last_index, last_position = 0, 0, -1, 0
    saga = bundle["saga"]
    for number, commit in enumerate(bundle["commits"]):
        place = f"commits[{number}]"
        data = unbase64(commit["header"])
        digests = [digest_of(commit["bodies"], f"{place}.bodies", problems)]
        for at, slot in enumerate(commit["slots"]):
            digests.append(digest_of(slot, f"{place}.slots[{at}]", problems))
            withheld += slot["data"] is None
        leaf = sha256(b"\0" + len(data).to_bytes(4, "little") + data + b"".join(digests))
        if leaf != unbase64(commit["leaf"]):
            problems.append(f"{place}: header and digests do not make the leaf")
        path = [unbase64(each) for each in commit["path"]]
        if root_by_inclusion(leaf, commit["index"], checkpoint.size, path) != checkpoint.root:
            problems.append(f"{place}: not proven to be commit number {commit['index']} of the log")
        try:
            header = Header(data)
        except (ValueError, IndexError, TypeError):
            problems.append(f"{place}: no header")
            continue
        if (header.namespace, header.saga_id) != (saga["namespace"], saga["saga_id"]):
            problems.append(f"{place}: of another saga")
        if header.partition != checkpoint.partition:
            problems.append(f"{place}: of another partition")
        if header.revision != revision:
            problems.append(f"{place}: begins at revision {header.revision}, expected {revision}")
        if commit["index"] <= last_index or header.first <= last_position:
            problems.append(f"{place}: out of the log's order")
        ended = check_bodies(unbase64(commit["bodies"]["data"]), header, place, problems) or ended
        revision, events = header.revision + header.count, events + header.count
        last_index, last_position = commit["index"], header.first + header.count - 1
    if bundle["end"] != {"commits": len(bundle["commits"]), "events": events} or not events:
        problems.append("end: commits are missing or were added")
    extent = f"whole: {ended}" if ended else "complete up to its last revision; it had not ended"
    return problems, f"{events} events, {withheld} slots withheld; {extent}"


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(sys.argv[2], encoding="utf-8") as file:
            keys = [Key(line) for line in file]
        kept = None
        if len(sys.argv) == 4:
            with open(sys.argv[3], encoding="utf-8", newline="") as file:
                kept = Checkpoint(file.read(), keys)
        with open(sys.argv[1], encoding="utf-8", newline="") as file:
            bundle = load(file.read())
        problems, proven = verify(bundle, keys, kept)
    except (Unreadable, ValueError) as error:
        print(f"unreadable: {error}", file=sys.stderr)
        return 2
    for problem in problems:
        print(problem)
    if not problems:
        print(proven)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
