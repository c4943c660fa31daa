// Judges FHIR R4 resources with a validator that is not ours: structure, cardinality, required bindings, reference targets, unknown
// elements.
//
//   node validate.cjs FILE...     prints one line for each error and then "N files, N errors"; exit code 1 if there are any
"use strict";
const fs = require("node:fs");
const { Fhir } = require("fhir/fhir");

const fhir = new Fhir();
let errors = 0;
const files = process.argv.slice(2);
for (const file of files) {
  const judged = fhir.validate(JSON.parse(fs.readFileSync(file, "utf8")), { errorOnUnexpected: true });
  for (const message of judged.messages) {
    if (message.severity !== "error" && message.severity !== "fatal") continue;
    errors += 1;
    console.log(`${file}: ${message.location}: ${message.message}`);
  }
}
console.log(`${files.length} files, ${errors} errors`);
process.exitCode = errors > 0 ? 1 : 0;
