import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  at,
  chartFolder,
  conformity,
  containerOf,
  helmTemplate,
  KUBERNETES,
  manifestsOf,
  one,
  podOf,
  render,
  renderedCases,
} from '../support/helm.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { yamlBlocks } from '../support/yaml-blocks.ts';

const PAGE = yamlBlocks('kubernetes.md');
const rendered = renderedCases();

let folder: string;
beforeAll(() => {
  folder = makeRunFolder('helm');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A block of the page, by the file name in its first line. */
const shown = (name: string) => PAGE.find((block) => block.startsWith(`# ${name}\n`)) ?? '';

/** The chart on the page that has this one as a dependency. */
function parentChart(): string {
  const parent = join(folder, 'parent');
  mkdirSync(join(parent, 'templates'), { recursive: true });
  for (const file of ['Chart.yaml', 'values.yaml', 'templates/deployment.yaml'])
    writeFileSync(join(parent, file), shown(file));
  cpSync(chartFolder, join(parent, 'charts', 'llama-router-exporter'), { recursive: true });
  return parent;
}

describe('mode sidecar', () => {
  it('renders everything but the pod, and a Service for the named pods', () => {
    const kinds = rendered.sidecar.map(({ kind }) => kind).filter((kind) => kind !== 'ConfigMap');
    expect(kinds.toSorted()).toEqual(['PrometheusRule', 'Secret', 'Service', 'ServiceMonitor']);
    expect(at(one(rendered.sidecar, 'Service'), 'spec.selector')).toEqual({ app: 'llama-server' });
  });

  it('provides its container to another chart, as docs/kubernetes.md shows', () => {
    const objects = render([], parentChart());
    for (const release of KUBERNETES) expect(conformity(objects, release)).toMatchObject({ code: 0 });
    const pod = podOf(objects);
    expect(at(pod, 'containers.1')).toEqual(containerOf(render([])));
    expect(at(pod, 'volumes.0.configMap.name')).toBe('r-llama-router-exporter');
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toContain(
      'ConfigMap r-llama-router-exporter',
    );
    const labels = at(one(objects, 'Deployment'), 'spec.template.metadata.labels');
    expect(at(one(objects, 'Service'), 'spec.selector')).toEqual(labels);
  });

  it('is documented without a chart with the same container', () => {
    const [pod] = manifestsOf(shown('llama-server.yml'));
    const image = ['--set', 'image.repository=registry.example/llama-router-exporter,image.tag=VERSION'];
    expect(at(pod, 'spec.containers.1')).toEqual(containerOf(render(image)));
    const volumes = at(podOf(render(['--set', 'fullnameOverride=llama-router-exporter'])), 'volumes');
    expect(at(pod, 'spec.volumes')).toEqual(volumes);
  });
});

describe('docs/kubernetes.md', () => {
  it.each(KUBERNETES)('shows valid objects for Kubernetes %s', (release) => {
    const objects = [
      ...manifestsOf(shown('llama-server.yml')),
      ...manifestsOf(shown('alertmanagerconfig.yml')),
    ];
    expect(objects.map(({ kind }) => kind)).toEqual(['Pod', 'AlertmanagerConfig']);
    expect(conformity(objects, release)).toMatchObject({ code: 0 });
  });

  it('shows valid values', () => {
    const blocks = PAGE.filter((block) => /^# (values\.yml|values of the chart)\n/.test(block));
    expect(blocks).toHaveLength(2);
    for (const [i, block] of blocks.entries()) {
      const file = join(folder, `shown-${i}.yml`);
      writeFileSync(file, block);
      for (const release of KUBERNETES)
        expect(conformity(render(['--values', file]), release)).toMatchObject({ code: 0 });
    }
  });

  it('shows the webhook address of the installed Service', () => {
    const [alertmanager] = manifestsOf(shown('alertmanagerconfig.yml'));
    const { name } = one(
      manifestsOf(helmTemplate(['--set', 'fullnameOverride=llama-router-exporter']).out),
      'Service',
    ).metadata;
    expect(at(alertmanager, 'spec.receivers.0.webhookConfigs.0.url')).toBe(
      `http://${name}.llama.svc:10180/api/v1/alertmanager`,
    );
  });
});
