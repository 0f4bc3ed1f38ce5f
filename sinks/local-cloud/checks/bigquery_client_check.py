#!/usr/bin/env python3
"""Google's own Python clients against the BigQuery stand-in.

    BIGQUERY_STORAGE_ENDPOINT=http://127.0.0.1:PORT \\
    BIGQUERY_REST_ENDPOINT=http://127.0.0.1:PORT \\
        python3 bigquery_client_check.py

Needs the packages google-cloud-bigquery and google-cloud-bigquery-storage.
Every check uses only what the clients offer for the real service; none asks
the stand-in's control calls. Prints one line for each, exits with 1 at the
first that fails.
"""

import os
import sys

import grpc
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient, types
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcTransport,
)
from google.cloud.bigquery_storage_v1.writer import AppendRowsStream
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

PROJECT = "check"
DATASET = "fleet"
TIMEOUT_S = 30
FIELD = descriptor_pb2.FieldDescriptorProto


def rest_client():
    return bigquery.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=os.environ["BIGQUERY_REST_ENDPOINT"]),
    )


def write_client():
    address = os.environ["BIGQUERY_STORAGE_ENDPOINT"].removeprefix("http://")
    channel = grpc.insecure_channel(address)
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


def message_class(*extra):
    """The message `Row` of the table's columns, and of `extra` ones."""
    proto = descriptor_pb2.FileDescriptorProto(
        name=f"row{len(extra)}.proto", package=f"check{len(extra)}", syntax="proto2"
    )
    message = proto.message_type.add(name="Row")
    fields = [
        ("vehicle_id", FIELD.TYPE_STRING),
        ("seq", FIELD.TYPE_INT64),
        ("event_time", FIELD.TYPE_INT64),
        ("day", FIELD.TYPE_INT32),
        ("lat", FIELD.TYPE_DOUBLE),
        ("ignition", FIELD.TYPE_BOOL),
        ("location", FIELD.TYPE_STRING),
        *extra,
    ]
    for number, (name, kind) in enumerate(fields, start=1):
        message.field.add(name=name, number=number, type=kind, label=FIELD.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{proto.package}.Row")
    )


ROW = message_class()


def row(seq, **changes):
    values = {
        "vehicle_id": f"bus-{seq % 3}",
        "seq": seq,
        "event_time": 1_700_000_000_000_000 + seq,
        "day": 19_675,
        "lat": 48.2,
        "ignition": seq % 2 == 0,
        "location": "POINT(16.37 48.21)",
        **changes,
    }
    return ROW(**{name: value for name, value in values.items() if value is not None})


def request(rows, offset=None):
    data = types.AppendRowsRequest.ProtoData(
        rows=types.ProtoRows(serialized_rows=[r.SerializeToString() for r in rows])
    )
    append = types.AppendRowsRequest(proto_rows=data)
    if offset is not None:
        append.offset = wrappers_pb2.Int64Value(value=offset)
    return append


class Writer:
    """A stream manager of Google's, one stream each."""

    def __init__(self, client, stream, message=ROW):
        descriptor = descriptor_pb2.DescriptorProto()
        message.DESCRIPTOR.CopyToProto(descriptor)
        template = types.AppendRowsRequest(
            write_stream=stream,
            proto_rows=types.AppendRowsRequest.ProtoData(
                writer_schema=types.ProtoSchema(proto_descriptor=descriptor)
            ),
        )
        self.manager = AppendRowsStream(client, template)

    def append(self, rows, offset=None):
        return self.manager.send(request(rows, offset)).result(timeout=TIMEOUT_S)

    def close(self):
        self.manager.close()


def expect(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), f"{word!r} is not in {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


def create_stream(client, table, kind):
    stream = types.WriteStream(type_=kind)
    created = client.create_write_stream(parent=parent(table), write_stream=stream)
    assert created.type_ == kind and created.name.startswith(parent(table) + "/streams/")
    assert [field.name for field in created.table_schema.fields][:2] == ["vehicle_id", "seq"]
    return created.name


def parent(table):
    return f"projects/{PROJECT}/datasets/{DATASET}/tables/{table}"


def count(rest, table, where=""):
    sql = f"SELECT COUNT(*) AS n, MAX(seq) AS top FROM `{PROJECT}.{DATASET}.{table}` {where}"
    (answer,) = rest.query_and_wait(sql)
    return answer["n"], answer["top"]


def make_table(rest, name):
    table = bigquery.Table(
        f"{PROJECT}.{DATASET}.{name}",
        schema=[
            bigquery.SchemaField("vehicle_id", "STRING", mode="REQUIRED"),
            bigquery.SchemaField("seq", "INT64", mode="REQUIRED"),
            bigquery.SchemaField("event_time", "TIMESTAMP", mode="REQUIRED"),
            bigquery.SchemaField("day", "DATE", mode="REQUIRED"),
            bigquery.SchemaField("lat", "FLOAT64"),
            bigquery.SchemaField("ignition", "BOOL"),
            bigquery.SchemaField("location", "GEOGRAPHY", description="Where."),
        ],
    )
    table.time_partitioning = bigquery.TimePartitioning(
        type_=bigquery.TimePartitioningType.DAY, field="day"
    )
    table.clustering_fields = ["vehicle_id"]
    table.description = "Pings."
    return rest.create_table(table)


def check_tables(rest, write):
    expect(exceptions.NotFound, lambda: rest.get_table(f"{PROJECT}.{DATASET}.pings"))
    expect(exceptions.NotFound, lambda: rest.get_dataset(f"{PROJECT}.{DATASET}"))
    rest.create_dataset(f"{PROJECT}.{DATASET}")
    assert rest.get_dataset(f"{PROJECT}.{DATASET}").dataset_id == DATASET
    make_table(rest, "pings")
    expect(exceptions.Conflict, lambda: make_table(rest, "pings"), "Already Exists")
    table = rest.get_table(f"{PROJECT}.{DATASET}.pings")
    assert [field.name for field in table.schema][-1] == "location"
    assert table.schema[1].field_type == "INTEGER" and table.schema[1].mode == "REQUIRED"
    assert table.schema[-1].description == "Where."
    assert table.time_partitioning.field == "day" and table.clustering_fields == ["vehicle_id"]
    assert table.table_type == "TABLE" and table.num_rows == 0

    stale = rest.get_table(table.reference)
    table.schema = [*table.schema, bigquery.SchemaField("driver_id", "STRING")]
    table.description = "Pings of every vehicle."
    changed = rest.update_table(table, ["schema", "description"])
    assert changed.schema[-1].name == "driver_id"
    assert changed.description == "Pings of every vehicle."
    stale.description = "Too late."
    expect(exceptions.PreconditionFailed, lambda: rest.update_table(stale, ["description"]))
    changed.schema = [
        bigquery.SchemaField(f.name, "STRING" if f.name == "lat" else f.field_type, mode=f.mode)
        for f in changed.schema
    ]
    expect(
        exceptions.BadRequest, lambda: rest.update_table(changed, ["schema"]), "has changed type"
    )

    view = bigquery.Table(f"{PROJECT}.{DATASET}.latest")
    view.view_query = f"SELECT * FROM `{PROJECT}.{DATASET}.pings`"
    assert rest.create_table(view).table_type == "VIEW"
    names = {item.table_id: item.table_type for item in rest.list_tables(DATASET)}
    assert names == {"pings": "TABLE", "latest": "VIEW"}, names
    rest.delete_table(f"{PROJECT}.{DATASET}.latest")
    expect(exceptions.NotFound, lambda: rest.get_table(f"{PROJECT}.{DATASET}.latest"))


def check_committed(rest, write):
    stream = create_stream(write, "pings", types.WriteStream.Type.COMMITTED)
    writer = Writer(write, stream)
    first = writer.append([row(0), row(1)], offset=0)
    assert first.append_result.offset == 0 and first.write_stream == stream
    assert writer.append([row(2)], offset=2).append_result.offset == 2
    expect(
        exceptions.AlreadyExists,
        lambda: writer.append([row(2)], offset=2),
        "expected offset 3, received 2",
    )
    expect(
        exceptions.OutOfRange,
        lambda: writer.append([row(9)], offset=9),
        "expected offset 3, received 9",
    )
    assert writer.append([row(3)]).append_result.offset == 3
    assert count(rest, "pings") == (4, 3)
    assert write.finalize_write_stream(name=stream).row_count == 4
    expect(
        exceptions.InvalidArgument,
        lambda: writer.append([row(4)], offset=4),
        "Stream has been finalized",
    )
    writer.close()
    full = types.GetWriteStreamRequest(name=stream, view=types.WriteStreamView.FULL)
    found = write.get_write_stream(full)
    assert found.type_ == types.WriteStream.Type.COMMITTED
    assert len(found.table_schema.fields) == 8
    assert not write.get_write_stream(name=stream).table_schema.fields


def check_default(rest, write):
    make_table(rest, "pings_default")
    writer = Writer(write, f"{parent('pings_default')}/streams/_default")
    for seq in range(3):
        answer = writer.append([row(seq)])
        assert "offset" not in answer.append_result
    writer.close()
    assert count(rest, "pings_default") == (3, 2)


def check_pending(rest, write):
    make_table(rest, "pings_pending")
    streams = []
    for part in range(2):
        stream = create_stream(write, "pings_pending", types.WriteStream.Type.PENDING)
        writer = Writer(write, stream)
        writer.append([row(part * 10), row(part * 10 + 1)], offset=0)
        writer.close()
        streams.append(stream)
    commit = types.BatchCommitWriteStreamsRequest(
        parent=parent("pings_pending"), write_streams=streams
    )
    refused = write.batch_commit_write_streams(commit)
    codes = [error.code for error in refused.stream_errors]
    assert codes == [types.StorageError.StorageErrorCode.INVALID_STREAM_STATE] * 2
    for stream in streams:
        assert write.finalize_write_stream(name=stream).row_count == 2
    assert count(rest, "pings_pending") == (0, None)
    done = write.batch_commit_write_streams(commit)
    assert done.commit_time and not done.stream_errors
    assert count(rest, "pings_pending") == (4, 11)


def check_buffered(rest, write):
    make_table(rest, "pings_buffered")
    stream = create_stream(write, "pings_buffered", types.WriteStream.Type.BUFFERED)
    writer = Writer(write, stream)
    writer.append([row(seq) for seq in range(5)], offset=0)
    assert count(rest, "pings_buffered") == (0, None)
    flush = types.FlushRowsRequest(
        write_stream=stream, offset=wrappers_pb2.Int64Value(value=2)
    )
    assert write.flush_rows(flush).offset == 2
    assert count(rest, "pings_buffered") == (3, 2)
    writer.close()


def check_row_errors(rest, write):
    make_table(rest, "pings_errors")
    stream = create_stream(write, "pings_errors", types.WriteStream.Type.COMMITTED)
    writer = Writer(write, stream)
    rows = [
        row(0),
        row(1, vehicle_id=None),
        row(2, event_time=10**18),
        row(3, location="POINT(16 95)"),
        row(4),
    ]
    error = expect(exceptions.InvalidArgument, lambda: writer.append(rows, 0), "row_errors")
    found = {e.index: e.message for e in error.response.row_errors}
    assert sorted(found) == [1, 2, 3], found
    assert "vehicle_id" in found[1] and "event_time" in found[2] and "location" in found[3]
    assert writer.append([rows[0], rows[4]], 0).append_result.offset == 0
    writer.close()
    assert count(rest, "pings_errors") == (2, 4)


def check_schema_mismatch(rest, write):
    stream = create_stream(write, "pings", types.WriteStream.Type.COMMITTED)
    wide = message_class(("speed", FIELD.TYPE_DOUBLE))
    writer = Writer(write, stream, wide)
    expect(
        exceptions.InvalidArgument,
        lambda: writer.append([wide(vehicle_id="bus-1", seq=1)], 0),
        "extra fields: 'speed'",
    )
    expect(
        exceptions.NotFound,
        lambda: create_stream(write, "missing", types.WriteStream.Type.COMMITTED),
    )


def check_queries(rest, write):
    assert count(rest, "pings", "WHERE vehicle_id = 'bus-1'") == (1, 1)
    assert count(rest, "pings", "WHERE seq >= 1 AND ignition = TRUE") == (1, 2)
    assert count(rest, "pings", "WHERE day = DATE '2023-11-14'") == (4, 3)
    job = rest.query(
        f"SELECT COUNT(*) AS n FROM `{PROJECT}.{DATASET}.pings` WHERE seq < @top",
        job_config=bigquery.QueryJobConfig(
            query_parameters=[bigquery.ScalarQueryParameter("top", "INT64", 2)]
        ),
    )
    (answer,) = job.result(timeout=TIMEOUT_S)
    assert answer.n == 2
    expect(
        exceptions.BadRequest,
        lambda: rest.query_and_wait("SELECT vehicle_id FROM fleet.pings GROUP BY 1"),
        "the stand-in does not run this query",
    )


CHECKS = [
    check_tables,
    check_committed,
    check_default,
    check_pending,
    check_buffered,
    check_row_errors,
    check_schema_mismatch,
    check_queries,
]


def main():
    rest, write = rest_client(), write_client()
    for check in CHECKS:
        check(rest, write)
        print(f"ok {check.__name__.removeprefix('check_')}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
