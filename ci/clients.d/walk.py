#!/usr/bin/env python3
"""A walk through backup and restore with boto3, as its users write it: one line for each step, and
the first difference ends it with status 1.

    walk.py ENDPOINT
"""

import sys
import threading
import time
from decimal import Decimal

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config
from botocore.exceptions import ClientError

TABLE = f"walk-{int(time.time())}"
RESTORED = f"{TABLE}-restored"
WRITERS = 4
PLAIN_ITEMS = 1_000
# CreateTable is followed by some seconds in which backups are not enabled yet.
BACKUPS_WAIT_S = 20
STATUS_WAIT_S = 60
PAUSE_S = 0.05


class Differs(Exception):
    """What an endpoint did is not what Amazon's service does."""


def demand(truth, what):
    if not truth:
        raise Differs(what)


def client_of(endpoint):
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        # A retry would make a second backup of one call; what fails shall be seen.
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=16),
    )


def every_type():
    """Items that hold every type of attribute, at its limits where those are easily reached."""
    deep = {"N": "1"}
    for _ in range(30):
        deep = {"L": [deep]}
    values = {
        "string": {"S": "text, ümläuts, 漢字, \U0001f9ca and \"quotes\" \\ \n"},
        "empty-string": {"S": ""},
        "number": {"N": "42"},
        "digits-38": {"N": "12345678901234567890123456789012345678"},
        "fraction": {"N": "-0.00000000000000000000000000000000000012345678901234567890"},
        "large": {"N": "9.9999999999999999999999999999999999999E+125"},
        "small": {"N": "-1E-130"},
        "binary": {"B": bytes(range(256))},
        "empty-binary": {"B": b""},
        "true": {"BOOL": True},
        "false": {"BOOL": False},
        "null": {"NULL": True},
        "strings": {"SS": ["b", "a", "ü"]},
        "numbers": {"NS": ["3", "-1.5", "2E+10"]},
        "binaries": {"BS": [b"\x00", b"\xff\xfe"]},
        "list": {"L": [{"S": "a"}, {"N": "1"}, {"L": []}, {"M": {}}]},
        "map": {"M": {"a": {"S": "b"}, "nested": {"M": {"c": {"BOOL": True}}}}},
        "deep": deep,
    }
    items = [{"pk": {"S": f"type-{name}"}, "value": value} for name, value in values.items()]
    items.append({"pk": {"S": "type-all"}, **values})
    items.append({"pk": {"S": "type-much"}, "filling": {"S": "x" * 300_000}})
    items.append({"pk": {"S": "k" * 2048}, "value": {"S": "the longest key"}})
    return items


class Exact(TypeDeserializer):
    """boto3 refuses numbers with many zeros at their end, however they are written."""

    def _deserialize_n(self, value):
        return Decimal(value)


def plain(item):
    """An item as Python compares it: sets without order, numbers by value."""
    deserialize = Exact().deserialize
    return {name: deserialize(value) for name, value in item.items()}


def read_all(client, table):
    pages = client.get_paginator("scan").paginate(
        TableName=table, ConsistentRead=True, PaginationConfig={"PageSize": 300}
    )
    items = {}
    for page in pages:
        for item in page["Items"]:
            demand(item["pk"]["S"] not in items, f"Scan returns {item['pk']} twice")
            items[item["pk"]["S"]] = plain(item)
    return items


class Writers:
    """Threads that count upwards, each on a key of its own, and know what was acknowledged."""

    def __init__(self, client):
        self.client = client
        self.acknowledged = [0] * WRITERS
        self.failures = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(n,)) for n in range(WRITERS)]

    def write(self, number):
        count = 0
        try:
            while not self.stop.is_set():
                count += 1
                self.client.put_item(
                    TableName=TABLE,
                    Item={"pk": {"S": f"writer-{number}"}, "count": {"N": str(count)}},
                )
                self.acknowledged[number] = count
        except Exception as error:  # whatever it is, the walk must hear of it
            self.failures.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        deadline = time.monotonic() + STATUS_WAIT_S
        while min(self.acknowledged) < 5 and not self.failures and time.monotonic() < deadline:
            time.sleep(PAUSE_S)
        demand(min(self.acknowledged) >= 5, f"writers do not get on: {self.failures}")
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def expect(client, name, call, **arguments):
    """The call must fail with this exception, as `except client.exceptions.X` catches it."""
    exception = getattr(client.exceptions, name, None)
    try:
        call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if exception is None:
            demand(code == name, f"{name} expected, {code} came: {error}")
        else:
            demand(isinstance(error, exception), f"{name} expected, {code} came: {error}")
        demand(error.response["Error"]["Message"] or name == "SerializationException",
               f"{name} without a message")
        demand(error.response["ResponseMetadata"].get("RequestId"), f"{name} without request id")
        demand(error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, f"{name}: not 400")
        return
    raise Differs(f"{name} expected, but the call succeeded: {arguments}")


TABLE_SHAPE = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def create_table(client):
    created = client.create_table(TableName=TABLE, **TABLE_SHAPE)["TableDescription"]
    demand(created["TableName"] == TABLE, "CreateTable describes another table")
    client.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
    names = client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 1})
    demand(TABLE in [name for page in names for name in page["TableNames"]], "not in ListTables")


def load_items(client):
    items = every_type()
    for number in range(PLAIN_ITEMS):
        items.append({"pk": {"S": f"item-{number}"}, "n": {"N": str(number)}})
    for item in items:
        client.put_item(TableName=TABLE, Item=item)
    wanted = {item["pk"]["S"]: plain(item) for item in items}
    compare(read_all(client, TABLE), wanted)
    for key, item in list(wanted.items())[:30]:
        found = client.get_item(TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True)
        demand(plain(found["Item"]) == item, f"GetItem {key[:40]} differs: {found['Item']}")
    return wanted


def compare(found, wanted):
    missing = sorted(wanted.keys() - found.keys())
    more = sorted(found.keys() - wanted.keys())
    demand(not missing and not more, f"missing {missing[:5]}, too many {more[:5]}")
    for key, item in wanted.items():
        demand(found[key] == item, f"{key[:40]}: {item} became {found[key]}")


def back_up(client):
    """One backup while writers run; returns its ARN and between what each writer's count lies."""
    with Writers(client) as writers:
        low = list(writers.acknowledged)
        arn = create_backup(client, "while-writers-run")["BackupArn"]
        high = [count + 1 for count in writers.acknowledged]
        until(lambda: describe(client, arn)["BackupStatus"] == "AVAILABLE", "AVAILABLE")
    demand(not writers.failures, f"writers failed: {writers.failures}")
    demand(min(now - then for now, then in zip(writers.acknowledged, low)) >= 0, "counts fell")
    return arn, low, high


def create_backup(client, name):
    begun = time.monotonic()
    while True:
        try:
            details = client.create_backup(TableName=TABLE, BackupName=name)["BackupDetails"]
            break
        except client.exceptions.ContinuousBackupsUnavailableException:
            demand(time.monotonic() - begun < BACKUPS_WAIT_S, "backups never become available")
            time.sleep(PAUSE_S)
    demand(details["BackupName"] == name, "another backup name")
    demand(details["BackupType"] == "USER", f"type {details['BackupType']}")
    demand(details["BackupStatus"] in ("CREATING", "AVAILABLE"), details["BackupStatus"])
    demand(":dynamodb:" in details["BackupArn"] and "/backup/" in details["BackupArn"],
           f"ARN {details['BackupArn']}")
    age_s = abs(time.time() - details["BackupCreationDateTime"].timestamp())
    demand(age_s < 60, f"made {age_s} s from now")
    return details


def describe(client, arn):
    return client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]


def until(done, what):
    deadline = time.monotonic() + STATUS_WAIT_S
    while not done():
        demand(time.monotonic() < deadline, f"not {what} in {STATUS_WAIT_S} s")
        time.sleep(PAUSE_S)


def list_backups(client, arn):
    more = [create_backup(client, f"more-{number}")["BackupArn"] for number in range(3)]
    for other in more:
        until(lambda: describe(client, other)["BackupStatus"] == "AVAILABLE", "AVAILABLE")
    pages = list(
        client.get_paginator("list_backups").paginate(
            TableName=TABLE, PaginationConfig={"PageSize": 2}
        )
    )
    demand(all(len(page["BackupSummaries"]) <= 2 for page in pages), "a page exceeds its size")
    listed = [summary["BackupArn"] for page in pages for summary in page["BackupSummaries"]]
    demand(sorted(listed) == sorted([arn, *more]), f"listed {listed}, made {[arn, *more]}")
    described = client.describe_backup(BackupArn=arn)["BackupDescription"]
    source = described["SourceTableDetails"]
    demand(source["TableName"] == TABLE, "DescribeBackup names another table")
    demand(source["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}], "another key")
    return more


def refusals(client, arn):
    gone = arn[:-8] + ("0" * 8 if arn[-8:] != "0" * 8 else "1" * 8)
    expect(client, "TableNotFoundException", client.create_backup,
           TableName=f"{TABLE}-none", BackupName="none")
    expect(client, "ResourceNotFoundException", client.describe_table, TableName=f"{TABLE}-none")
    expect(client, "ResourceNotFoundException", client.get_item,
           TableName=f"{TABLE}-none", Key={"pk": {"S": "a"}})
    expect(client, "ResourceInUseException", client.create_table,
           TableName=TABLE, **TABLE_SHAPE)
    expect(client, "BackupNotFoundException", client.describe_backup, BackupArn=gone)
    expect(client, "BackupNotFoundException", client.delete_backup, BackupArn=gone)
    expect(client, "BackupNotFoundException", client.restore_table_from_backup,
           BackupArn=gone, TargetTableName=RESTORED)
    expect(client, "TableAlreadyExistsException", client.restore_table_from_backup,
           BackupArn=arn, TargetTableName=TABLE)
    expect(client, "ConditionalCheckFailedException", client.put_item, TableName=TABLE,
           Item={"pk": {"S": "item-0"}}, ConditionExpression="attribute_not_exists(pk)")
    expect(client, "ValidationException", client.create_backup,
           TableName=TABLE, BackupName="no spaces")


def delete_table(client):
    client.delete_table(TableName=TABLE)
    client.get_waiter("table_not_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
    expect(client, "ResourceNotFoundException", client.scan, TableName=TABLE)


def restore(client, arn):
    answer = client.restore_table_from_backup(TargetTableName=RESTORED, BackupArn=arn)
    described = answer["TableDescription"]
    demand(described["TableName"] == RESTORED, "another table is restored")
    summary = described.get("RestoreSummary", {})
    demand(summary.get("SourceBackupArn") == arn, f"RestoreSummary {summary}")
    client.get_waiter("table_exists").wait(TableName=RESTORED, WaiterConfig={"Delay": 1})


def compare_restored(client, wanted, low, high):
    found = read_all(client, RESTORED)
    for number in range(WRITERS):
        count = found.pop(f"writer-{number}", {"count": Decimal(0)})["count"]
        within = low[number] <= count <= high[number]
        demand(within, f"writer {number}: {count} is not from {low[number]} to {high[number]}")
    compare(found, wanted)


def delete_backups(client, arns):
    for arn in arns:
        answer = client.delete_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]
        demand(answer["BackupStatus"] == "DELETED", f"DeleteBackup: {answer['BackupStatus']}")
        expect(client, "BackupNotFoundException", client.describe_backup, BackupArn=arn)
    left = client.list_backups(TableName=TABLE)["BackupSummaries"]
    demand(not left, f"deleted backups are listed: {left}")


def main(endpoint):
    client = client_of(endpoint)

    def step(name, act, *arguments):
        begun = time.monotonic()
        try:
            outcome = act(client, *arguments)
        except Exception as error:
            print(f"boto3 {name}: DIFFERS: {type(error).__name__}: {error}", flush=True)
            sys.exit(1)
        print(f"boto3 {name}: {time.monotonic() - begun:.2f} s", flush=True)
        return outcome

    step("a table is created, awaited and listed", create_table)
    wanted = step("items of every type are put and read back", load_items)
    arn, low, high = step("a backup is made while writers run", back_up)
    more = step("backups are listed in pages and described", list_backups, arn)
    step("what must be refused is refused", refusals, arn)
    step("the table is deleted and gone", delete_table)
    step("the backup is restored", restore, arn)
    step("the restored table is what was backed up", compare_restored, wanted, low, high)
    step("backups are deleted and gone", delete_backups, [arn, *more])
    step("the restored table outlives its backup", compare_restored, wanted, low, high)
    client.delete_table(TableName=RESTORED)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
