// Tools for chart and workflows that Debian does not have, compiled once from Go modules, and the schemas of Kubernetes and
// Prometheus Operator, from a Go module and a Python package.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { usableGo } from './go.mjs';
import { crdModule, kubernetesPackage, layCrdSchemas, layKubernetesSchemas } from './kubernetes-schemas.mjs';
import { isMade, makeOnce } from './made-once.mjs';
import { goPrograms, kubernetesSchemas } from './places.mjs';
import { Missing, run } from './shell.mjs';

const programs = [
  'helm.sh/helm/v4/cmd/helm@v4.3.1',
  'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
  'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12',
];

const programsRecipe = `${programs.join('\n')}\n`;
const schemasRecipe = `${kubernetesPackage}\n${crdModule}\n`;

export function goProgramsMissing() {
  return !isMade(goPrograms, programsRecipe) || !isMade(kubernetesSchemas, schemasRecipe);
}

/** Takes about five minutes on two cores and 2 GB; 90 MB stay. */
export function installGoPrograms() {
  const scratch = `${goPrograms}.scratch.${process.pid}`;
  try {
    const { go, env } = usableGo(scratch);
    if (!isMade(goPrograms, programsRecipe))
      makeOnce(goPrograms, programsRecipe, (bin) => compile(go, env, bin));
    if (isMade(kubernetesSchemas, schemasRecipe)) return;
    console.error('Installing schemas of Kubernetes and Prometheus Operator…');
    makeOnce(kubernetesSchemas, schemasRecipe, (folder) => {
      layKubernetesSchemas(folder, scratch);
      layCrdSchemas(folder, JSON.parse(run(go, ['mod', 'download', '-json', crdModule], env)).Dir);
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function compile(go, env, bin) {
  mkdirSync(bin);
  for (const program of programs) {
    console.error(`Compiling ${program} (go install)…`);
    run(go, ['install', '-ldflags=-s -w', program], { ...env, GOBIN: bin });
  }
  if (readdirSync(bin).length !== programs.length)
    throw new Missing(`${join(bin)} lacks some of ${programs.join(', ')} after go install.`);
}
