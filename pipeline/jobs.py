"""What may run through the queue: msgpack arguments and one allow-listed function.

A serializer alone does not make RQ safe: a job names its function by dotted path, and any importable one would run.
"""
from collections.abc import Callable
from typing import Any

import msgpack
from rq.job import Job

STYLIZE = "workers.stylize.stylize_key_frame"
ALLOWED = frozenset({STYLIZE})


class MsgpackSerializer:
    @staticmethod
    def dumps(value: Any) -> bytes:
        return msgpack.packb(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        return msgpack.unpackb(data, use_list=False, strict_map_key=False)


class AllowListedJob(Job):
    """A job that runs one of ALLOWED and nothing else: no instances, no callbacks, no webhooks."""

    @property
    def func(self) -> Callable[..., Any]:
        if self.func_name not in ALLOWED or self.instance is not None:
            raise PermissionError(f"Job {self.id} names {self.func_name!r:.80}, which is not on the allow list.")
        return super().func

    def restore(self, raw_data: dict) -> None:
        super().restore({k: v for k, v in raw_data.items() if not {"callback", "webhooks"} & set(_words(k))})


def _words(field: bytes | str) -> list[str]:
    return (field.decode(errors="replace") if isinstance(field, bytes) else field).split("_")
