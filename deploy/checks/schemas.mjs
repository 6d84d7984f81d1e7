// schemas.mjs ROOT...: holds each ROOT's compose file and KEDA's objects to their published schemas, and prints what
// breaks them.
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

const roots = process.argv.slice(2);
const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const problems = [];
const note = (root, problem) => problems.push(roots.length > 1 ? `${root}: ${problem}` : problem);

function composeValidator() {
  const schema = JSON.parse(readFileSync(require.resolve("dclint/package.json").replace("package.json", "schemas/compose.schema.json")));
  delete schema.$schema;
  return new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
}

function checkCompose(root, file, validate) {
  const compose = parse(readFileSync(join(root, file), "utf8"), { merge: true, uniqueKeys: true });
  if (!validate(compose))
    for (const error of validate.errors)
      note(root, `${file}: ${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
}

function checkKeda(root, directory, sources) {
  const before = sources.size;
  for (const name of readdirSync(join(root, directory)).filter((name) => name.endsWith(".yaml")).sort()) {
    for (const document of parseAllDocuments(readFileSync(join(root, directory, name), "utf8"))) {
      const object = document.toJS();
      if (!object?.apiVersion?.startsWith("keda.sh/")) continue;
      const at = `${directory}/${name}: ${object.kind}`;
      const Model = keda[object.kind];
      if (object.apiVersion !== "keda.sh/v1alpha1" || !Model) {
        note(root, `${at}: no schema for ${object.apiVersion}`);
        continue;
      }
      try {
        new Model(object).validate();
      } catch (error) {
        note(root, `${at}: ${error.message}`);
      }
      const source = `import type { I${object.kind} } from "@kubernetes-models/keda/keda.sh/v1alpha1";
export const object: I${object.kind} = ${JSON.stringify(object, null, 1)};\n`;
      // Beside this script, so that the modules are found; it is never written.
      sources.set(join(here, `object-${sources.size}.ts`), { root, at, source });
    }
  }
  if (sources.size === before) note(root, `${directory}: no object of KEDA's`);
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
  for (const { file, messageText } of ts.getPreEmitDiagnostics(program)) {
    const { root, at } = sources.get(file?.fileName) ?? { root: ".", at: "types" };
    note(root, `${at}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
  }
}

const validate = composeValidator();
const sources = new Map();
for (const root of roots) {
  checkCompose(root, "deploy/compose.yaml", validate);
  checkKeda(root, "deploy/kubernetes", sources);
}
checkKeys(sources);
for (const problem of problems) console.log(problem);
process.exit(problems.length === 0 ? 0 : 1);
