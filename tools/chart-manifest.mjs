// Generates Chart.yaml. The chart has the version of the program.
import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';

export function chartManifest() {
  const { name, version, description } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  const manifest = {
    apiVersion: 'v2',
    name,
    description,
    type: 'application',
    version,
    appVersion: version,
    kubeVersion: '>=1.25.0-0',
    keywords: ['llama.cpp', 'prometheus', 'exporter'],
  };
  return `# Generated from package.json by \`npm run generate\`.\n${stringify(manifest)}`;
}
