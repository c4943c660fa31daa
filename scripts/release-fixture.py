#!/usr/bin/env python3
"""Makes the fixture of a release: its database with data in it, as SQL text, for the upgrade tests (tests/it/upgrade.rs).

    make test-deps
    scripts/test-postgres.sh run target/peers/bin/python scripts/release-fixture.py BINARY VERSION

Plays a short story against the release's own binary, on SQLite and on PostgreSQL, and writes tests/fixtures/releases/VERSION.*.sql.
Everybody in it is made up. The texts of the mapping files are left out, they are the release's own and large, and so is this machine's name.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/fixtures"
PEERS = ROOT / "tests/interop/peers"


# What is left out of a fixture.
TRIM = ["UPDATE mapping_revision SET files = '{}'", "UPDATE node SET name = 'node/127.0.0.1:2575'"]


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def send(port, name, code):
    """One message over MLLP; its acknowledgement must carry the code."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(b"\x0b" + (FIXTURES / f"hl7/{name}.hl7").read_bytes() + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            chunk = s.recv(4096)
            if not chunk:
                break
            answer += chunk
    if f"MSA|{code}|".encode() not in answer:
        sys.exit(f"{name}: {answer!r}")


def peer(script, *args):
    return subprocess.run([sys.executable, PEERS / script, *map(str, args)], check=True, capture_output=True, text=True).stdout


def story(mllp, dicom):
    for name in ["adt_a04", "orm_nw", "orm_two_orders", "omi_two_ipc", "adt_a40", "orm_xo", "oru_preliminary"]:
        send(mllp, name, "AA")
    send(mllp, "garbage_after_header", "AE")
    send(mllp, "orm_nw", "AA")
    items = [json.loads(line) for line in peer("worklist.py", dicom).splitlines() if '"accession"' in line]
    of = {item["accession"] + item["modality"]: item for item in items}
    for uid, key, last in [("1", "DEMO26000109PT", "completed"), ("2", "DEMO26000109CT", None)]:
        item = of[key]
        says = ["--patient", item["id"], "--name", item["name"], "--accession", item["accession"], "--study", item["study"],
                "--procedure", item["procedure"], "--step", item["step"]]
        peer("mpps.py", dicom, "create", f"1.2.250.1.999.1.88.{uid}", *says)
        if last:
            peer("mpps.py", dicom, last, f"1.2.250.1.999.1.88.{uid}", *says)
    send(mllp, "oru_final_pdf", "AA")


def play(binary, url, dump):
    directory = pathlib.Path(tempfile.mkdtemp())
    mllp, dicom, http, nobody = free_ports(4)
    shutil.copytree(ROOT / "src/simulate/department/site", directory / "site")
    (directory / "relais.toml").write_text(f"""[site]
name = "CHU Exemple"
oid_root = "1.2.250.1.999.1"
[store]
url = "{url(directory)}"
[mllp]
listen = "127.0.0.1:{mllp}"
[dicom]
listen = "127.0.0.1:{dicom}"
[http]
listen = "127.0.0.1:{http}"
[mappings]
dirs = ["site"]
[[link]]
name = "ris"
match = {{ msh3 = "RISX" }}
charset = "8859/1"
default_issuer = {{ name = "HOPA", oid = "1.2.250.1.999.1.1" }}
[[target]]
name = "mes"
kind = "fhir"
url = "http://127.0.0.1:{nobody}/fhir"
timeout_seconds = 1
""")
    engine = subprocess.Popen([binary, "--log", "warn", "serve", "--config", directory / "relais.toml"])
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{http}/health/ready")
            break
        except OSError:
            time.sleep(0.05)
    try:
        story(mllp, dicom)
        time.sleep(2)  # the journal of queries is written once a second
    finally:
        engine.terminate()
    if engine.wait() != 0:
        sys.exit("the release did not end well")
    dump(directory)
    shutil.rmtree(directory)


def sqlite_dump(path, out):
    database = sqlite3.connect(path)
    for statement in TRIM:
        database.execute(statement)
    database.commit()
    out.write_text("\n".join(database.iterdump()) + "\n")


def main():
    binary, version = sys.argv[1:]
    out = FIXTURES / "releases"
    out.mkdir(exist_ok=True)
    play(binary, lambda d: f"sqlite://{d}/relais.db", lambda d: sqlite_dump(d / "relais.db", out / f"{version}.sqlite.sql"))
    cluster = os.environ["RELAIS_TEST_POSTGRES"]
    name = f"relais_release_{os.getpid()}"
    url = re.sub(r"/[^/?]*\?", f"/{name}?", cluster)
    psql = ["psql", "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*psql, cluster, "-c", f"CREATE DATABASE {name}"], check=True)

    def dump(_):
        subprocess.run([*psql, url, "-c", "; ".join(TRIM)], check=True)
        # Fixtures of before stay loadable by older servers: no settings of this one, no psql commands.
        text = subprocess.run(["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments", url], check=True,
                              capture_output=True, text=True).stdout
        keep = [l for l in text.splitlines() if l and not l.startswith(("--", "SET ", "\\", "SELECT pg_catalog.set_config"))]
        (out / f"{version}.postgres.sql").write_text("\n".join(keep) + "\n")

    play(binary, lambda _: url, dump)


main()
