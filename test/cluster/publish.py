"""Publishes messages with librdkafka, as programs in Python do.

Arguments: broker, topic, codec. Each line of the input is a message as JSON: `key` and `value` in base64, or
null, and `headers`, an object of texts. Ends when the broker has acknowledged all of them.
"""

import base64
import json
import sys

from confluent_kafka import Producer

broker, topic, codec = sys.argv[1:]
# As Java's clients choose partitions; librdkafka by itself takes another hash.
producer = Producer({"bootstrap.servers": broker, "compression.type": codec, "partitioner": "murmur2_random"})
failures = []


def told(error, _message):
    if error is not None:
        failures.append(str(error))


def bytes_of(text):
    return None if text is None else base64.b64decode(text)


for line in sys.stdin:
    message = json.loads(line)
    producer.produce(
        topic,
        key=bytes_of(message["key"]),
        value=bytes_of(message["value"]),
        headers=list(message["headers"].items()),
        on_delivery=told,
    )
producer.flush()
sys.exit("\n".join(failures) or 0)
