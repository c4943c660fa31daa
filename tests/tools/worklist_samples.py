"""Worklist items and queries of others, with the answers they expect, against `relais serve`.

    target/peers/bin/python tests/tools/worklist_samples.py DIR [RELAIS]

DIR has Database/*.dump (items as DCMTK's dump2dcm reads them), Queries/*.dump and Expected/{all,single-ITEM}-QUERY.json: one list per
response, of the lines that findscu prints for its attributes. Each item becomes an OMI^O23; for `single-ITEM` it is alone in a fresh
store, for `all` they are there together; each query is DCMTK's findscu over the real port. Printed is one line per query: how many
answers were compared and equal, and which attributes differ how often (+ only we return it, - only they do, ~ other value). The last
line counts; exit 1 if a response is missing or too much. No value of a sample is printed.
"""
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter

CONFIG = """
[site]
name = "Samples"
oid_root = "1.2.250.1.999.9"
[store]
url = "sqlite://{dir}/relais.db"
[mllp]
listen = "127.0.0.1:{mllp}"
[dicom]
listen = "127.0.0.1:{dicom}"
[http]
listen = "127.0.0.1:{http}"
[[link]]
name = "samples"
match = {{ msh3 = "SAMPLES" }}
default_issuer = {{ name = "SAMPLES", oid = "1.2.250.1.999.9.1" }}
"""
LINE = re.compile(r"\(([0-9a-f]{4},[0-9a-f]{4})\) ([A-Z]{2})\s*(.*?)\s*(?:#.*)?$")


def item(dump):
    """Values of a dump by tag: of the item and of its step, not of other sequences."""
    values, inside = {}, []
    for line in dump.read_text("latin-1").splitlines():
        found = LINE.match(line.strip())
        if line.strip().startswith("(fffe,e0dd)"):
            inside.pop()
        elif found and found[2] == "SQ":
            inside.append(found[1])
        elif found and inside in ([], ["0040,0100"]):
            # An attribute that stands twice: the first counts.
            values.setdefault(found[1], found[3])
    return values


def order(item, number):
    """The order that schedules an item."""
    value = lambda tag: item.get(tag, "")
    start = value("0040,0002") + value("0040,0003")
    stations = value("0040,0001").replace("\\", "~")
    doctor, performer = ("^" + value(tag) if value(tag) else "" for tag in ("0032,1032", "0040,0006"))
    obr = {2: f"P{number}", 3: f"F{number}", 4: f"^{value('0032,1060')}", 13: value("0010,2000"), 16: doctor, 34: performer}
    return "\r".join([
        f"MSH|^~\\&|SAMPLES|S|RELAIS|S|20260101000000||OMI^O23^OMI_O23|{number}|P|2.5.1||||||8859/1",
        f"PID|1||{value('0010,0020')}||{value('0010,0010')}||{value('0010,0030')}|{value('0010,0040')}",
        "PV1|1|O",
        f"AL1|1||^{value('0010,2110')}" if value("0010,2110") else "NTE|1||",
        f"ORC|NW|P{number}|F{number}||SC||||20260101000000",
        f"TQ1|1||||||{start}||{value('0040,1003')}",
        "OBR|1|" + "|".join(obr.get(n, "") for n in range(2, 45)),
        f"IPC|{value('0008,0050')}|{value('0040,1001')}|{value('0020,000d')}|{value('0040,0009')}|{value('0008,0060')}"
        f"|^{value('0040,0007')}|{value('0040,0010')}|{value('0040,0011')}|{stations}\r",
    ])


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Relais:
    """A fresh engine that has taken some items."""

    def __init__(self, program, items):
        self.dir = tempfile.TemporaryDirectory()
        mllp, self.dicom, http = free_ports(3)
        config = pathlib.Path(self.dir.name) / "relais.toml"
        config.write_text(CONFIG.format(dir=self.dir.name, mllp=mllp, dicom=self.dicom, http=http))
        self.process = subprocess.Popen([program, "--log", "error", "serve", "--config", config])
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{http}/health/ready", timeout=5) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "relais serve is not ready"
                time.sleep(0.05)
        with socket.create_connection(("127.0.0.1", mllp)) as ris:
            for number, values in items:
                ris.sendall(b"\x0b" + order(values, number).encode("latin-1") + b"\x1c\r")
                ack = ris.recv(65536).decode("latin-1")
                assert "MSA|AA" in ack, f"item {number} was refused: {ack}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()

    def ask(self, query):
        """The responses of findscu: per response its attributes of the first level by tag."""
        command = ["/usr/bin/findscu", "-d", "-W", "-aec", "RELAIS", "127.0.0.1", str(self.dicom), query]
        printed = subprocess.run(command, capture_output=True, check=True, encoding="latin-1")
        responses, attributes = [], None
        for line in (printed.stdout + printed.stderr).splitlines():
            if line.startswith("D: Response Identifiers"):
                attributes = {}
                responses.append(attributes)
            elif not line.startswith("D: "):
                attributes = None
            elif attributes is not None and (m := LINE.match(line[3:])):
                attributes[m[1]] = "sequence" if m[2] == "SQ" else plain(m[3])
        return responses


def plain(value):
    # Blanks and NUL behind a value are padding.
    return "" if value.startswith("(no value") else value.strip("[]").rstrip("\0 ").strip()


def expected(path):
    """The same form of an answer that was expected."""
    responses = []
    for lines in json.loads(path.read_text()):
        found = [m for m in map(LINE.match, lines) if m]
        responses.append({m[1]: "sequence" if m[2] == "SQ" else plain(m[3]) for m in found})
    return responses


def key(response):
    return sorted(response.items())


def compare(got, wanted):
    """What differs, attribute by attribute, of answers with the same number of responses."""
    # Their order is none; ours is by start.
    left, differences = sorted(got, key=key), Counter()
    for want in sorted(wanted, key=key):
        # The nearest of ours: that with most equal attributes.
        ours = max(left, key=lambda r: sum(r.get(tag) == value for tag, value in want.items()))
        left.remove(ours)
        differences.update(f"+{tag}" for tag in ours.keys() - want.keys())
        differences.update(f"-{tag}" for tag in want.keys() - ours.keys())
        differences.update(f"~{tag}" for tag in want.keys() & ours.keys() if want[tag] != ours[tag])
    return differences


def main(directory, program="target/debug/relais"):
    directory = pathlib.Path(directory)
    number = lambda path: int(re.search(r"(\d+)\.dump$", path.name)[1])
    items = sorted((number(path), item(path)) for path in (directory / "Database").glob("*.dump"))
    queries = sorted((directory / "Queries").glob("*.dump"), key=number)
    stores = {"all": items} | {f"single-{n}": [(n, values)] for n, values in items}
    asked, wrong, equal = {}, {}, Counter()
    with tempfile.TemporaryDirectory() as scratch:
        for query in queries:
            subprocess.run(["/usr/bin/dump2dcm", "-q", query, f"{scratch}/{number(query)}.dcm"], check=True)
        for name, content in stores.items():
            with Relais(program, content) as relais:
                for query in map(number, queries):
                    path = directory / "Expected" / f"{name}-{query}.json"
                    if not path.exists():
                        continue
                    got, want = relais.ask(f"{scratch}/{query}.dcm"), expected(path)
                    asked.setdefault(query, Counter())["answers"] += 1
                    if len(got) != len(want):
                        wrong[(name, query)] = f"{name} query {query}: {len(got)} responses, {len(want)} expected"
                        continue
                    differences = compare(got, want)
                    equal[query] += not differences
                    asked[query].update(differences)
    print("query\tanswers\tequal\tattributes that differ")
    for query, counts in sorted(asked.items()):
        differ = "  ".join(f"{tag} x{n}" for tag, n in sorted(counts.items()) if tag != "answers")
        print(f"{query}\t{counts['answers']}\t{equal[query]}\t{differ}")
    for line in wrong.values():
        print(line)
    total = sum(c["answers"] for c in asked.values())
    print(f"{total} answers compared, {len(wrong)} with other responses than expected, {sum(equal.values())} equal in every attribute")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
