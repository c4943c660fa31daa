"""hl7v2-fhir-bridge on one message, in a loop inside one process: its own parser and conversion, as it is configured.

    python translate.py MESSAGE SECONDS

Prints microseconds of processor time a message: converted to a Bundle as JSON text, then the same with its own validation of the Bundle.
"""

import json
import pathlib
import sys
import time

from v2fhir.config import default_config_path, load_config
from v2fhir.convert import convert
from v2fhir.hl7.parser import parse_bytes
from v2fhir.validate import validate_bundle

RAW = pathlib.Path(sys.argv[1]).read_bytes()
SECONDS = float(sys.argv[2])
CONFIG = load_config(default_config_path())


def once(validate):
    message = parse_bytes(RAW, CONFIG.default_charset, CONFIG.fallback_charsets)
    bundle = convert(message, CONFIG).bundle
    if validate:
        validate_bundle(bundle)
    return json.dumps(bundle)


def microseconds(validate):
    for _ in range(50):
        once(validate)
    done, start, before = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < SECONDS:
        once(validate)
        done += 1
    return (time.process_time() - before) / done * 1e6


print(f"{microseconds(False):.1f} {microseconds(True):.1f}")
