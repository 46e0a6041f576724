"""Jobs in other processes: what comes of them, what a dead worker costs, and who is let in."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import closing
from functools import partial

import distributed
import psutil
import pytest

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.system import processes
from GTVAutoSegLib.system.processes import WorkerDied, run_jobs


def square(number: int, stopped, refused: int) -> int:
    if number == refused:
        raise ValueError(f"{number} is refused")
    if number < 0:
        os._exit(9)
    return number * number


def test_a_job_that_kills_its_workers_or_raises_takes_no_other_with_it():
    ended = {one.job: one for one in run_jobs(partial(square, refused=3), [-1, 1, 2, 3], workers=2)}
    assert {job: one.value for job, one in ended.items() if one.error is None} == {1: 1, 2: 4}
    assert isinstance(ended[-1].error, WorkerDied) and isinstance(ended[3].error, ValueError)
    assert "every worker process that tried it died" in str(ended[-1].error)


def where(_: int, stopped) -> str:
    return str(distributed.get_worker().address)


def refused(address: str, security: distributed.Security | None) -> bool:
    """Whether a scheduler or a worker speaks with nobody who comes without a key, or with another one."""
    host, _, port = address.rpartition("//")[2].partition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if security is not None:
        context = security.get_connection_args("client")["ssl_context"]
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        try:
            with context.wrap_socket(plain) as stranger:
                stranger.sendall(bytes(64))
                return not stranger.recv(1)
        except (ssl.SSLError, ConnectionError):
            return True


def test_nobody_is_let_in_without_the_key_and_nothing_listens_to_the_network(monkeypatch):
    """Whoever can connect to a scheduler or a worker can have it run code as this user."""
    let_in, connect = [], processes.connect

    def noted(address, security):
        let_in.append((address, security))
        return connect(address, security)

    monkeypatch.setattr(processes, "connect", noted)
    with closing(run_jobs(where, [1, 2], workers=1)) as running:
        worker = next(running).value
        ((scheduler, key),) = let_in
        for address in (scheduler, worker):
            assert address.startswith("tls://127.0.0.1:")
            assert refused(address, None) and refused(address, distributed.Security.temporary())
        assert not refused(scheduler, key)
        mine = psutil.Process()
        listening = [
            found.laddr.ip
            for process in (mine, *mine.children(recursive=True))
            for found in process.net_connections()
            if found.status == psutil.CONN_LISTEN and found.family in (socket.AF_INET, socket.AF_INET6)
        ]
        assert len(listening) >= 3 and set(listening) == {"127.0.0.1"}


def test_missing_packages_are_said(monkeypatch):
    monkeypatch.setattr(processes, "NEEDED", ("distributed", "not_there"))
    with pytest.raises(
        InputError, match=r"needs not_there, which is not installed; run: pip install 'gtvautoseg\[cohort\]'"
    ):
        next(run_jobs(where, [1]))
    with pytest.raises(InputError, match="needs not_there, which is not installed"):
        processes.processors_each(2)
