"""Writes one table of facts in every way that pyarrow and Polars have, into the folder that is its argument.

The table is wide: entities, and attributes of every type that a transaction document takes. Each file is named
after its writer.
"""

import sys
from datetime import date, datetime, timezone
from pathlib import Path

import polars
import pyarrow

folder = Path(sys.argv[1])
FAR = 9_007_199_254_740_993

COLUMNS = {
    "entity": pyarrow.array(["paper:1", "paper:2", "päper:3"], pyarrow.string()),
    "title": pyarrow.array(["x", None, "a title that is longer than twelve bytes"], pyarrow.string()),
    "kind": pyarrow.array(["book", None, "thesis"], pyarrow.string()).dictionary_encode(),
    "pages": pyarrow.array([1, None, -FAR], pyarrow.int64()),
    "cited": pyarrow.array([None, 255, 0], pyarrow.uint8()),
    "weight": pyarrow.array([0.1, float("inf"), None], pyarrow.float64()),
    "open": pyarrow.array([True, None, False], pyarrow.bool_()),
    "added": pyarrow.array([None, FAR, -1], pyarrow.timestamp("us", "UTC")),
    "printed": pyarrow.array([date(1970, 1, 2), None, date(1969, 12, 31)], pyarrow.date32()),
    "digest": pyarrow.array([b"\x00\xff", None, bytes(20)], pyarrow.binary()),
    "author": pyarrow.array([["a", "b"], [], ["c"]], pyarrow.list_(pyarrow.string())),
}
TABLE = pyarrow.table(COLUMNS)
BATCHES = [TABLE.slice(0, 2), TABLE.slice(2)]


def with_pyarrow(name, table, *, new=pyarrow.ipc.new_stream, **options):
    with pyarrow.OSFile(str(folder / name), "wb") as sink:
        with new(sink, table.schema, options=pyarrow.ipc.IpcWriteOptions(**options)) as writer:
            for batch in BATCHES if table is TABLE else [table]:
                writer.write_table(batch)


with_pyarrow("pyarrow-stream", TABLE)
with_pyarrow("pyarrow-file", TABLE.unify_dictionaries(), new=pyarrow.ipc.new_file)
with_pyarrow("pyarrow-lz4", TABLE, compression="lz4")
with_pyarrow("pyarrow-zstd", TABLE, compression="zstd")
with_pyarrow("pyarrow-v4", TABLE, metadata_version=pyarrow.ipc.MetadataVersion.V4)

# The dictionary grows from batch to batch.
GROWN = [pyarrow.DictionaryArray.from_arrays([0, None], ["book"]), pyarrow.DictionaryArray.from_arrays([1], ["book", "thesis"])]
AT = TABLE.schema.get_field_index("kind")
with pyarrow.OSFile(str(folder / "pyarrow-deltas"), "wb") as sink:
    options = pyarrow.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    batches = [
        batch.set_column(AT, pyarrow.field("kind", kinds.type), kinds) for batch, kinds in zip(BATCHES, GROWN, strict=True)
    ]
    with pyarrow.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_table(batch)
    assert writer.stats.num_dictionary_deltas == 1

large = {"title": pyarrow.large_string(), "digest": pyarrow.large_binary(), "author": pyarrow.large_list(pyarrow.string())}
views = {"title": pyarrow.string_view(), "digest": pyarrow.binary_view()}
for name, types in {"large": large, "views": views}.items():
    fields = [field.with_type(types.get(field.name, field.type)) for field in TABLE.schema]
    with_pyarrow(f"pyarrow-{name}", TABLE.cast(pyarrow.schema(fields)))

frame = polars.from_arrow(TABLE)
for compression in ("uncompressed", "lz4", "zstd"):
    frame.write_ipc(folder / f"polars-file-{compression}", compression=compression)
    frame.write_ipc_stream(folder / f"polars-stream-{compression}", compression=compression)
frame.write_ipc_stream(folder / "polars-oldest", compat_level=polars.CompatLevel.oldest())


# Operations with values of many types, and all metadata.
text = pyarrow.array(["x", None], pyarrow.string())
refs = pyarrow.array(["b"], pyarrow.string())
whole = pyarrow.array([FAR], pyarrow.int64())
types = pyarrow.array([0, 1, 2, 0], pyarrow.int8())
places = pyarrow.array([0, 0, 0, 1], pyarrow.int32())
union = pyarrow.UnionArray.from_dense(types, places, [text, refs, whole], ["text", "ref", "int"])
children = [
    pyarrow.field("text", pyarrow.string()),
    pyarrow.field("ref", pyarrow.string(), metadata={"pyralog.type": "ref"}),
    pyarrow.field("int", pyarrow.int64()),
]
operations = pyarrow.Table.from_arrays(
    [
        pyarrow.array(["assert", None, "assert", "retract"], pyarrow.string()).dictionary_encode(),
        pyarrow.array(["a", "a", "a", "a"], pyarrow.string()),
        pyarrow.array(["n", "m", "o", "p"], pyarrow.string()),
        union,
    ],
    schema=pyarrow.schema(
        [
            pyarrow.field("op", pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
            pyarrow.field("entity", pyarrow.string()),
            pyarrow.field("attribute", pyarrow.string()),
            pyarrow.field("value", pyarrow.dense_union(children)),
        ],
        metadata={
            "pyralog.id": "order-4711",
            "pyralog.meta": '{"author":"user:alice"}',
            "pyralog.at": datetime(2020, 1, 1, tzinfo=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    ),
)
with_pyarrow("operations", operations)
