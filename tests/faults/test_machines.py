"""A machine that refreshes, two that serve, each with a folder of its own, and an S3 server between them."""

from __future__ import annotations

import copy
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests
from botocore.config import Config

from raya_recs.embedded import EmbeddedServers
from raya_recs.processes import Child, Children, free_port
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic
from tests.frozen import frozen
from tests.refresh.machines import snapshots_in

pytestmark = [pytest.mark.faults, pytest.mark.slow]
BUCKET = "snapshots"


class S3Server:
    """moto's server in a process of its own: S3 over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.children = Children(folder)
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.child: Child = self.children.start("s3", command)
        self.child.wait_until(self._answers, 60)
        self.env = {
            "SNAPSHOT_STORE": f"s3://{BUCKET}/site",
            "AWS_ENDPOINT_URL_S3": self.address,
            "AWS_ACCESS_KEY_ID": "for-tests",
            "AWS_SECRET_ACCESS_KEY": "for-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.client = boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="for-tests",
            aws_secret_access_key="for-tests",
            config=Config(s3={"addressing_style": "path"}),
        )
        self.client.create_bucket(Bucket=BUCKET)

    def _answers(self) -> bool:
        try:
            return requests.get(self.address, timeout=1).ok
        except requests.RequestException:
            return False

    def snapshots(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix="site/", Delimiter="/")
        return [one["Prefix"].split("/")[1] for one in found.get("CommonPrefixes", [])]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.children.stop_all()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of each machine, the one where its snapshots lie."""
    return {name: tmp_path_factory.mktemp(name) for name in ("refreshing", "first", "second")}


@pytest.fixture(scope="module")
def nodes(
    s3: S3Server, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Site]]:
    """Two that serve the same site. `manage` of the first is a third machine: the one that refreshes."""
    folder = Path(tempfile.mkdtemp(prefix="raya_recs-own-"))
    folder.chmod(0o711)
    try:
        with EmbeddedServers(folder) as servers, Site(servers, tmp_path_factory.mktemp("site")) as first:
            first.env |= s3.env | {"SNAPSHOT_DIR": str(folders["first"])}
            first.open(workers=1, each=12)
            second = copy.copy(first)
            second.start_web(1, SNAPSHOT_DIR=str(folders["second"]))
            first.env["SNAPSHOT_DIR"] = str(folders["refreshing"])
            first.serve(daily_cap=0, hold_minutes=0, cooldown_days=0)
            wait_until(second.is_well, "the second", 60, pause=0.2)
            yield [first, second]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def served(node: Site) -> str:
    return str(node.list("w0")["snapshot"])


def wait_for_swap(nodes: list[Site], s3: S3Server) -> str:
    """The newest in the store, once every node serves it."""
    newest = s3.snapshots()[-1]
    wait_until(lambda: {served(node) for node in nodes} == {newest}, "the swap", 90, pause=0.1)
    return newest


def test_every_machine_swaps_to_what_another_built_and_no_request_is_dropped(
    nodes: list[Site], s3: S3Server, folders: dict[str, Path]
) -> None:
    first, second = nodes
    before = served(first)
    with (
        Traffic(first, askers=2, limit=5, pause=0.05) as one,
        Traffic(second, askers=2, limit=5, pause=0.05) as other,
    ):
        for traffic in (one, other):
            traffic.wait_for_answers(20)
        for _ in range(2):
            first.manage("refresh")
            newest = wait_for_swap(nodes, s3)
        for traffic in (one, other):
            traffic.wait_for_answers(20)

    for traffic in (one, other):
        assert [answer.status for answer in traffic.answers if answer.status != 200] == []
        without = [answer for answer in traffic.answers if "snapshot_unavailable" in answer.body["degraded"]]
        assert without == []
        seen = {answer.body["snapshot"] for answer in traffic.answers}
        assert {before, newest} <= seen
    for folder in folders.values():
        assert newest in snapshots_in(folder)
        assert not [name for name in snapshots_in(folder) if name.startswith(".")]
    inodes = {(folder / newest / "manifest.json").stat().st_ino for folder in folders.values()}
    assert len(inodes) == 3, "each machine has its own copy"


def test_an_s3_that_hangs_holds_up_new_snapshots_and_nothing_else(nodes: list[Site], s3: S3Server) -> None:
    first, second = nodes
    before = served(first)
    with (
        Traffic(first, askers=2, limit=5, pause=0.05) as one,
        Traffic(second, askers=2, limit=5, pause=0.05) as other,
    ):
        with frozen(s3.child.pid):
            with pytest.raises(RuntimeError, match="can't be"):
                first.manage("refresh")
            assert {served(node) for node in nodes} == {before}
        first.manage("refresh")
        assert wait_for_swap(nodes, s3) != before
    for traffic in (one, other):
        assert [answer.status for answer in traffic.answers if answer.status != 200] == []
