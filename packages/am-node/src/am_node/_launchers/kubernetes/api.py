"""The few calls to a cluster's API server that starting pods takes."""

from __future__ import annotations

import json
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import trio

from .http import Answer, NotSentError, request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from .access import Access

Thing = dict[str, Any]

# Seconds for an answer to begin, and to come whole where it does not go on for ever.
_CALL = 10.0
# A call that the server had no time for, or did not get, is made again.
_TRIES = 4
_PAUSE = 0.25
_TURNED_AWAY = 429
_BUSY = {_TURNED_AWAY, 503}
# The server ends a watch after so many seconds; a silent one for longer than that is dead.
_WATCH = 240
_MOST_TOLD = 500
_LARGEST = 64 * 2**20
_NOT_FOUND = 404
_GONE = 410
_REFUSED = 400
_JSON = {"Content-Type": "application/json"}
_MERGE = {"Content-Type": "application/merge-patch+json"}


class ApiError(OSError):
    """The server refused a call; `code` is HTTP's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"the cluster refused it ({code}): {text[:_MOST_TOLD]}")
        self.code = code


class Api:
    """Calls about things in one namespace.

    What fails raises `OSError`: `ApiError` if the server said so, `NotSentError` if it heard
    nothing of the call; else it may have heard it.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._base = f"{access.server}/api/v1/namespaces/{access.namespace}"

    async def create(self, kind: str, manifest: Thing) -> Thing:
        """Create a thing; returns it as it is there.

        :raises OSError: if it is refused, or the server not reached. It may exist in that case.
        """
        return await self._call("POST", kind, manifest)

    async def get(self, kind: str, name: str) -> Thing | None:
        """A thing; None if there is none.

        :raises OSError: if the server refuses, or is not reached.
        """
        return await self._if_there("GET", f"{kind}/{name}")

    async def list(self, kind: str, **selectors: str) -> list[Thing]:
        """Things that the selectors choose.

        :raises OSError: if the server refuses, or is not reached.
        """
        answer = await self._call("GET", f"{kind}?{urlencode(selectors)}")
        found: list[Thing] = answer.get("items") or []
        return found

    async def patch(self, kind: str, name: str, changes: Thing) -> None:
        """Merge `changes` into a thing.

        :raises OSError: if the server refuses, or is not reached.
        """
        await self._call("PATCH", f"{kind}/{name}", changes, _MERGE)

    async def delete(self, kind: str, name: str, grace: int | None = None) -> bool:
        """Delete a thing; False if there is none. A pod has `grace` seconds, or what it says.

        :raises OSError: if the server refuses, or is not reached.
        """
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        return await self._if_there("DELETE", f"{kind}/{name}", options) is not None

    async def watch(self, kind: str, thing: Thing) -> AsyncGenerator[tuple[str, Thing], None]:
        """Changes of a thing after `thing`, until the server has had enough.

        :raises OSError: if the server refuses, or is lost.
        """
        query = urlencode(
            {
                "watch": "true",
                "fieldSelector": f"metadata.name={thing['metadata']['name']}",
                "resourceVersion": thing["metadata"]["resourceVersion"],
                "timeoutSeconds": str(_WATCH),
            }
        )
        async with self._open(f"{kind}?{query}") as answer, aclosing(_lines(answer)) as lines:
            async for line in lines:
                event = _read(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise ApiError(status.get("code", _GONE), status.get("message", ""))
                yield event["type"], event["object"]

    @asynccontextmanager
    async def log(self, name: str, **params: str) -> AsyncIterator[Answer]:
        """What the containers of a pod print, with what the server puts before each line.

        :raises OSError: if there is no log (yet), or the server is lost.
        """
        async with self._open(f"pods/{name}/log?{urlencode(params)}") as answer:
            yield answer

    @asynccontextmanager
    async def _open(
        self, path: str, method: str = "GET", body: Thing | None = None, kind: Any = _JSON
    ) -> AsyncIterator[Answer]:
        try:
            async with request(
                method,
                f"{self._base}/{path}",
                context=self._access.context,
                headers={"Accept": "application/json, */*", **kind, **self._access.headers()},
                body=b"" if body is None else json.dumps(body).encode(),
                patience=_CALL,
            ) as answer:
                if answer.status >= _REFUSED:
                    raise _refusal(answer.status, await _whole(answer))
                yield answer
        except ApiError:
            raise
        except OSError as exc:
            lost = NotSentError if isinstance(exc, NotSentError) else OSError
            raise lost(f"the API server {self._access.server} was not reached: {exc}") from exc

    async def _if_there(self, method: str, path: str, body: Thing | None = None) -> Thing | None:
        try:
            return await self._call(method, path, body)
        except ApiError as exc:
            if exc.code == _NOT_FOUND:
                return None
            raise

    async def _call(
        self, method: str, path: str, body: Thing | None = None, kind: Mapping[str, str] = _JSON
    ) -> Thing:
        # One that creates may have been carried out unless the server says that it was not.
        again = {_TURNED_AWAY} if method == "POST" else _BUSY
        for attempt in range(1, _TRIES):
            try:
                return await self._once(method, path, body, kind)
            except NotSentError:
                pass
            except ApiError as exc:
                if exc.code not in again:
                    raise
            await trio.sleep(_PAUSE * 2**attempt)
        return await self._once(method, path, body, kind)

    async def _once(
        self, method: str, path: str, body: Thing | None, kind: Mapping[str, str]
    ) -> Thing:
        async with self._open(path, method, body, kind) as answer:
            return _read(await _whole(answer))


async def _whole(answer: Answer) -> bytes:
    """The body of an answer.

    :raises OSError: if it takes too long, or is too large.
    """
    data = bytearray()
    with trio.move_on_after(_CALL):
        while part := await answer.receive_some():
            data += part
            if len(data) > _LARGEST:
                raise OSError("an answer of over 64 MiB")
        return bytes(data)
    raise OSError("the answer takes too long")


async def _lines(answer: Answer) -> AsyncGenerator[bytes, None]:
    rest = part = b""
    while True:
        # A silent watch is over by then; what is silent for longer is dead.
        with trio.move_on_after(_WATCH + _CALL) as silence:
            part = await answer.receive_some()
        if silence.cancelled_caught:
            raise OSError("a watch that says nothing")
        if not part:
            return
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > _LARGEST:
            raise OSError("an event of over 64 MiB")
        for line in whole:
            yield line


def _read(answer: bytes) -> Thing:
    try:
        found: Thing = json.loads(answer)
    except ValueError as exc:
        raise OSError(f"what answers is no API server: {answer[:_MOST_TOLD]!r}") from exc
    return found


def _refusal(code: int, answer: bytes) -> ApiError:
    try:
        return ApiError(code, str(json.loads(answer)["message"]))
    except (ValueError, KeyError, TypeError):
        return ApiError(code, answer.decode(errors="replace"))
