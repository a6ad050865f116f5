// JSON schemas for kubeconform: objects of Kubernetes and Prometheus Operator.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { aptInstall, run, succeeds } from './shell.mjs';

/** The Python package with schemas of many releases. */
export const kubernetesPackage = 'kubernetes-validate==1.37.0';

/** The Go module with the CRDs. */
export const crdModule = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';

/** The oldest release that the chart supports, and the newest. */
const releases = ['v1.25.0', 'v1.37.0'];

const kinds = ['servicemonitors', 'prometheusrules', 'alertmanagerconfigs'];

/** Writes `RELEASE/KIND-GROUP-VERSION.json`; the schemas reject unknown keys. */
export function layKubernetesSchemas(folder, scratch) {
  if (!succeeds('python3', ['-m', 'pip', '--version'])) aptInstall(['python3-pip']);
  const fetched = join(scratch, 'wheel');
  run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', fetched, kubernetesPackage]);
  const [wheel] = readdirSync(fetched);
  run('python3', ['-m', 'zipfile', '-e', join(fetched, wheel), fetched]);
  mkdirSync(folder, { recursive: true });
  for (const release of releases) {
    const shipped = join(fetched, 'kubernetes_validate/kubernetes-json-schema', `${release}-local-strict`);
    for (const name of readdirSync(shipped)) {
      // References use unavailable URLs; replace them with the neighbouring files.
      const { $id: _, ...schema } = JSON.parse(readFileSync(join(shipped, name), 'utf8'));
      const text = JSON.stringify(schema).replaceAll('"/api/_definitions.json#', '"_definitions.json#');
      writeFileSync(join(shipped, name), text);
    }
    renameSync(shipped, join(folder, release));
  }
}

/** Writes `crds/KIND_VERSION.json`. */
export function layCrdSchemas(folder, module) {
  mkdirSync(join(folder, 'crds'), { recursive: true });
  for (const kind of kinds) {
    const file = join(module, 'example/prometheus-operator-crd', `monitoring.coreos.com_${kind}.yaml`);
    const { spec } = parse(readFileSync(file, 'utf8'));
    for (const { name: version, schema } of spec.versions) {
      const name = `${spec.names.kind.toLowerCase()}_${version}.json`;
      writeFileSync(join(folder, 'crds', name), JSON.stringify(closed(schema.openAPIV3Schema)));
    }
  }
}

/** Makes unknown keys errors, which a cluster silently drops. */
function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inside = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const open = schema.additionalProperties !== undefined || schema['x-kubernetes-preserve-unknown-fields'];
  const isObject = schema.type === 'object' && typeof schema.properties === 'object';
  return isObject && !open ? { ...inside, additionalProperties: false } : inside;
}
