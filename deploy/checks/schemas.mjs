// schemas.mjs ROOT: holds ROOT's compose file and KEDA's objects to their published schemas, and prints what breaks them.
//
// Compose's schema names every key. KEDA's validator, made of its Go types, lets unknown keys pass, as Kubernetes does;
// its declarations do not: so each object is also compiled as a TypeScript literal.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import ts from "typescript";
import { parse, parseAllDocuments } from "yaml";
import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1";

const root = process.argv[2];
const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const problems = [];

function checkCompose(file) {
  const schema = JSON.parse(readFileSync(require.resolve("dclint/package.json").replace("package.json", "schemas/compose.schema.json")));
  delete schema.$schema;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const compose = parse(readFileSync(join(root, file), "utf8"), { merge: true, uniqueKeys: true });
  const validate = ajv.compile(schema);
  if (!validate(compose))
    for (const error of validate.errors)
      problems.push(`${file}: ${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
}

function checkKeda(directory) {
  const sources = new Map();
  let objects = 0;
  for (const name of readdirSync(join(root, directory)).filter((name) => name.endsWith(".yaml")).sort()) {
    for (const document of parseAllDocuments(readFileSync(join(root, directory, name), "utf8"))) {
      const object = document.toJS();
      if (!object?.apiVersion?.startsWith("keda.sh/")) continue;
      objects += 1;
      const at = `${directory}/${name}: ${object.kind}`;
      const Model = keda[object.kind];
      if (object.apiVersion !== "keda.sh/v1alpha1" || !Model) {
        problems.push(`${at}: no schema for ${object.apiVersion}`);
        continue;
      }
      try {
        new Model(object).validate();
      } catch (error) {
        problems.push(`${at}: ${error.message}`);
      }
      const source = `import type { I${object.kind} } from "@kubernetes-models/keda/keda.sh/v1alpha1";
export const object: I${object.kind} = ${JSON.stringify(object, null, 1)};\n`;
      // Beside this script, so that the modules are found; it is never written.
      sources.set(join(here, `object-${objects}.ts`), { at, source });
    }
  }
  if (objects === 0) problems.push(`${directory}: no object of KEDA's`);
  checkKeys(sources);
}

function checkKeys(sources) {
  const options = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.readFile = (file) => sources.get(file)?.source ?? readFile(file);
  host.getSourceFile = (file, ...rest) =>
    sources.has(file) ? ts.createSourceFile(file, sources.get(file).source, ...rest) : getSourceFile(file, ...rest);
  const program = ts.createProgram([...sources.keys()], options, host);
  for (const { file, messageText } of ts.getPreEmitDiagnostics(program))
    problems.push(`${sources.get(file?.fileName)?.at ?? "types"}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
}

checkCompose("deploy/compose.yaml");
checkKeda("deploy/kubernetes");
for (const problem of problems) console.log(problem);
process.exit(problems.length === 0 ? 0 : 1);
