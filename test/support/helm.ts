import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { goPrograms, kubernetesSchemas } from '../../tools/install-real-servers/places.mjs';

export const chartFolder = fileURLToPath(new URL('../../deploy/helm/llama-router-exporter', import.meta.url));

export const valuesFile = (name: string) =>
  fileURLToPath(new URL(`../fixtures/helm/${name}.yml`, import.meta.url));

/** The values that the tests render, by the names of their files. */
export const CASES = ['defaults', 'everything', 'sidecar', 'existing', 'found'] as const;

export type Case = (typeof CASES)[number];

/** The oldest and the newest Kubernetes that the chart supports. */
export const KUBERNETES = ['v1.25.0', 'v1.37.0'] as const;

/** An object as it would be sent to a cluster. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly [key: string]: unknown;
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program that was compiled for the tests; only what a shell has is in its environment. */
export function runGoProgram(name: string, args: readonly string[], input = ''): Ran {
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent' };
  const done = spawnSync(join(goPrograms, name), args, { input, encoding: 'utf8', env, maxBuffer: 2 ** 26 });
  return { code: done.status ?? -1, out: done.stdout, err: `${done.stderr}${done.error?.message ?? ''}` };
}

/** `helm template`: release `r` in the namespace `llama` of the newest Kubernetes. */
export function helmTemplate(args: readonly string[], chart = chartFolder): Ran {
  return runGoProgram('helm', [
    'template',
    'r',
    chart,
    '--namespace=llama',
    `--kube-version=${KUBERNETES[1]}`,
    ...args,
  ]);
}

/** What the chart makes of these values; throws with Helm's words when it refuses them. */
export function render(args: readonly string[], chart = chartFolder): Manifest[] {
  const { code, out, err } = helmTemplate(args, chart);
  if (code !== 0) throw new Error(err);
  return manifestsOf(out);
}

/** What the chart makes of each of the cases. */
export function renderedCases(): Readonly<Record<Case, Manifest[]>> {
  const entries = CASES.map((name) => [name, render(['--values', valuesFile(name)])]);
  return Object.fromEntries(entries) as Record<Case, Manifest[]>;
}

export function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((object) => object !== null);
}

/** What kubeconform has against these objects: nothing, and all of them known. */
export function conformity(objects: readonly Manifest[], release: string): Ran {
  const flags = [
    '-strict',
    '-summary',
    `-kubernetes-version=${release.slice(1)}`,
    `-schema-location=${join(kubernetesSchemas, release)}/{{.ResourceKind}}{{.KindSuffix}}.json`,
    `-schema-location=${join(kubernetesSchemas, 'crds')}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json`,
  ];
  return runGoProgram('kubeconform', flags, objects.map((object) => JSON.stringify(object)).join('\n---\n'));
}

/** The one object of that kind; throws when there is none, or another one. */
export function one(objects: readonly Manifest[], kind: string): Manifest {
  const [object, ...others] = objects.filter((each) => each.kind === kind);
  if (object === undefined || others.length > 0)
    throw new Error(`${others.length + (object ? 1 : 0)} of ${kind}`);
  return object;
}

/** The value at a path such as `spec.ports.0.name`; undefined if there is none. */
export function at(object: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce((tree, step) => (tree as Readonly<Record<string, unknown>> | undefined)?.[step], object);
}

/** The exporter's configuration file among these objects; throws when there is none. */
export function configText(objects: readonly Manifest[]): string {
  const texts = objects
    .filter(({ kind }) => kind === 'ConfigMap')
    .flatMap(({ data }) => (data as Readonly<Record<string, string>>)['config.yml'] ?? []);
  if (texts[0] === undefined) throw new Error('no ConfigMap has a config.yml');
  return texts[0];
}

export const podOf = (objects: readonly Manifest[]) => at(one(objects, 'Deployment'), 'spec.template.spec');

export const containerOf = (objects: readonly Manifest[]) => at(podOf(objects), 'containers.0');
