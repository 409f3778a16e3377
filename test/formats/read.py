"""Reads Arrow files of Pyralog with pyarrow and with Polars, which know nothing of Pyralog.

Prints one JSON object: file name -> reader -> rows. A row is a fact as text: entity, attribute, type,
value, tx, assert, blob. Numbers are in text, so that no reader of JSON rounds them; bytes are hexadecimal.
"""

import json
import sys
from pathlib import Path

import polars
import pyarrow


def value(fact):
    """The value column that the type says counts."""
    kind = fact["type"]
    if kind in ("int", "instant"):
        return str(fact["int"])
    if kind == "bool":
        return {0: "false", 1: "true"}[fact["int"]]
    if kind == "double":
        return fact["double"].hex()
    if kind == "bytes":
        return fact["bytes"].hex()
    return fact["text"]


def facts(row):
    """A row of an entity has many facts, any other row is one, or an assert and the retract that took it back."""
    for fact in row.get("facts", [row]):
        key = [row["entity"], fact["attribute"], fact["type"]]
        assert fact["type"] in ("int", "instant", "bool") or fact["int"] == 0, key
        yield [*key, value(fact), str(fact["tx"]), fact["assert"], fact["blob"].hex()]
        if fact.get("retracted", 0) != 0:
            yield [*key, value(fact), str(fact["retracted"]), False, fact["blob"].hex()]


def with_pyarrow(path):
    with pyarrow.OSFile(str(path)) as source:
        table = pyarrow.ipc.open_file(source).read_all()
        table.validate(full=True)
        return table.to_pylist()


def with_polars(path):
    return polars.read_ipc(path).to_dicts()


READERS = {"pyarrow": with_pyarrow, "polars": with_polars}

answer = {
    path: {name: [fact for row in read(Path(path)) for fact in facts(row)] for name, read in READERS.items()}
    for path in sys.argv[1:]
}
json.dump(answer, sys.stdout)
