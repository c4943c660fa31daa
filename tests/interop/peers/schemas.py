"""Validates TOML files by JSON schemas, with jsonschema: every pair SCHEMA FILE of the arguments. Prints one line a mistake.

    python schemas.py SCHEMA FILE [SCHEMA FILE ...]
"""

import json
import pathlib
import sys
import tomllib

from jsonschema import Draft7Validator

pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
for schema, file in pairs:
    schema = json.loads(pathlib.Path(schema).read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    instance = tomllib.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    for error in Draft7Validator(schema).iter_errors(instance):
        place = ".".join(str(part) for part in error.absolute_path)
        print(f"{file}: {place or 'root'}: {error.message[:200]}")
print(f"{len(pairs)} files")
