"""Who trains together: read from TF_CONFIG, and brought together before TensorFlow starts."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from matting_keras.errors import InputError

log = logging.getLogger(__name__)

EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
LONGEST = 2**20
"""Bytes that another worker may say of itself."""


@dataclass(frozen=True)
class Cluster:
    """The workers of a run.

    Attributes:
        addresses: "host:port" of each.
        index: which of them this process is.

    Example:
        >>> here = Cluster(("a:1", "b:1", "a:2"), 2)
        >>> here.nth_on_host
        1
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def nth_on_host(self) -> int:
        """How many workers before this one are on its host: the number of its GPU."""
        hosts = [address.rpartition(":")[0] for address in self.addresses]
        return hosts[: self.index].count(hosts[self.index])

    def named(self, index: int) -> str:
        """A worker as messages name it."""
        return f"worker {index} ({self.addresses[index]})"

    def as_config(self) -> str:
        """The text for TF_CONFIG."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": self.addresses}, "task": task})


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """The workers that TF_CONFIG names; a "chief" counts as the first of them.

    Raises:
        InputError: it is missing, is no JSON, or says something that cannot be.

    Example:
        >>> read_cluster({"TF_CONFIG": EXAMPLE}).addresses
        ('10.0.0.1:2222', '10.0.0.2:2222')
    """
    text = environment.get("TF_CONFIG")
    if not text:
        raise InputError(
            "--strategy multi_worker: the environment variable TF_CONFIG is not set. It names all "
            f"workers, and which of them this is, for example TF_CONFIG='{EXAMPLE}'"
        )
    try:
        config = json.loads(text)
        jobs, task = dict(config["cluster"]), dict(config["task"])
        kind, index = task["type"], int(task["index"])
    except (KeyError, TypeError, ValueError) as error:
        raise _bad(f"cannot be read ({error!r})") from error
    if others := sorted(set(jobs) - {"chief", "worker"}):
        raise _bad(f"names {others[0]!r}; there are only workers here, and at most one chief")
    first = jobs.get("chief", [])
    addresses = (*first, *jobs.get("worker", []))
    if kind not in jobs or not 0 <= index < len(jobs[kind]):
        raise _bad(f"says that this is {kind} {index!r}, which is not in its cluster")
    _check_addresses(addresses)
    return Cluster(addresses, index + (len(first) if kind == "worker" else 0))


def _check_addresses(addresses: tuple) -> None:
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise _bad(f"has the address {address!r}; expected host:port")
    if len(set(addresses)) < len(addresses):
        raise _bad("names the same address twice; each worker needs a port of its own")
    if len(addresses) < 2:
        raise _bad("names one worker only; a run on one machine needs no --strategy")


def _bad(what: str) -> InputError:
    return InputError(f"TF_CONFIG {what}. Expected as in TF_CONFIG='{EXAMPLE}'")


def meet(cluster: Cluster, about: Mapping[str, str], patience: float) -> None:
    """Wait until all workers have reached each other, and see that they are to do the same.

    TensorFlow would wait for ever, and would train with whatever the others were told.

    Args:
        cluster: all workers.
        about: what has to be the same on each: setting and value.
        patience: seconds to wait.

    Raises:
        InputError: a worker was not reached in time, has other settings, or the port is taken.
    """
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    try:
        listener = socket.create_server(("", port))
    except OSError as error:
        raise InputError(
            f"{cluster.named(cluster.index)}: cannot listen on its port ({error.strerror}); end "
            "what uses it, or give this worker another one in every TF_CONFIG."
        ) from error
    with listener:
        _Meeting(cluster, about).hold(listener, patience)


class _Meeting:
    """Everybody calls everybody, and both sides say what they are about to do."""

    def __init__(self, cluster: Cluster, about: Mapping[str, str]):
        self.cluster = cluster
        self.line = json.dumps({"worker": cluster.index, "about": dict(about)}).encode() + b"\n"
        self.about = about
        self.others = set(range(len(cluster.addresses))) - {cluster.index}
        self.called: set[int] = set()
        self.answered: set[int] = set()
        self.heard: dict[int, dict] = {}
        self.reasons: dict[int, str] = {}

    def hold(self, listener: socket.socket, patience: float) -> None:
        listener.settimeout(0.2)
        done = threading.Event()
        answering = threading.Thread(target=self._answer, args=(listener, done), daemon=True)
        answering.start()
        end, told = time.monotonic() + patience, -1e9
        try:
            while missing := sorted(self.others - (self.called & self.answered)):
                now = time.monotonic()
                if now > end:
                    raise self._missed(missing, patience)
                if now - told > 30:
                    told = now
                    log.info("waiting for %s", ", ".join(map(self.cluster.named, missing)))
                for index in missing:
                    self._call(index)
                self._compare()
                time.sleep(0.1)
        finally:
            done.set()
            answering.join()
        self._compare()

    def _call(self, index: int) -> None:
        if index in self.called:
            return
        host, _, port = self.cluster.addresses[index].rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), 5) as other:
                other.settimeout(5)
                other.sendall(self.line)
                self._note(_line(other), self.called, index)
        except OSError as error:
            self.reasons[index] = error.strerror or str(error)

    def _answer(self, listener: socket.socket, done: threading.Event) -> None:
        while not done.is_set():
            try:
                other, _ = listener.accept()
                with other:
                    other.settimeout(5)
                    said = _line(other)
                    other.sendall(self.line)
                    self._note(said, self.answered)
            except OSError:
                continue  # nobody called, or one who went away again

    def _note(self, said: dict, met: set[int], expected: int | None = None) -> None:
        index, about = said.get("worker"), said.get("about")
        if index not in self.others or not isinstance(about, dict):
            if expected is not None:
                self.reasons[expected] = "something else answers there"
        elif expected in (None, index):
            self.heard[index] = about
            met.add(index)
        else:
            self.reasons[expected] = f"worker {index} answers there"

    def _compare(self) -> None:
        for index, about in sorted(self.heard.items()):
            differing = [key for key in self.about if about.get(key) != self.about[key]]
            if differing:
                lines = [
                    f"  {key}: {self.about[key]} here, {about.get(key)} there" for key in differing
                ]
                raise InputError(
                    f"{self.cluster.named(index)} was started with other settings; start all "
                    "workers with the same command:\n" + "\n".join(lines)
                )

    def _missed(self, missing: list[int], patience: float) -> InputError:
        lines = []
        for index in missing:
            reason = self.reasons.get(index, "did not answer")
            if index in self.called:
                reason = "was reached, but did not reach this worker"
            lines.append(f"  {self.cluster.named(index)}: {reason}")
        return InputError(
            f"not all workers were there within {patience:.0f} seconds:\n" + "\n".join(lines) + "\n"
            "Start one on each machine, with the same addresses in every TF_CONFIG, and see that "
            "their ports are open; trainer.patience=SECONDS waits longer."
        )


def _line(other: socket.socket) -> dict:
    """What the other side says: one line of JSON; empty where it is anything else."""
    with other.makefile("rb") as file:
        text = file.readline(LONGEST)
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
