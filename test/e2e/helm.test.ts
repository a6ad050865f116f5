import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { CONFIGURATION_FLAGS } from '../../src/config/flags.ts';
import {
  at,
  CASES,
  type Case,
  chartFolder,
  configText,
  conformity,
  containerOf,
  KUBERNETES,
  type Manifest,
  one,
  podOf,
  render,
  renderedCases,
  runGoProgram,
  valuesFile,
} from '../support/helm.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { runProgram } from '../support/run-program.ts';

const PORT = 10180;
const SECRETS = '/etc/llama-router-exporter/secrets/';
const WITH_POD = ['defaults', 'everything', 'existing', 'found'] as const;
const rendered = renderedCases();

let folder: string;
beforeAll(() => {
  folder = makeRunFolder('helm');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('helm lint has no findings', () => {
  const { code, out } = runGoProgram('helm', [
    'lint',
    '--strict',
    `--kube-version=${KUBERNETES[1]}`,
    chartFolder,
  ]);
  expect([code, out]).toEqual([0, expect.stringContaining('1 chart(s) linted, 0 chart(s) failed')]);
});

describe.each(KUBERNETES)('kubeconform, Kubernetes %s', (release) => {
  it.each(CASES)('accepts the manifests of the values %s', (name) => {
    const objects = rendered[name];
    const { out, code } = conformity(objects, release);
    expect([code, out]).toEqual([
      0,
      expect.stringContaining(`Valid: ${objects.length}, Invalid: 0, Errors: 0, Skipped: 0`),
    ]);
  });

  it('rejects invalid manifests', () => {
    const [deployment] = rendered.defaults.filter(({ kind }) => kind === 'Deployment');
    const wrong = [{ ...(deployment as Manifest), spec: { ...(deployment?.spec as object), replica: 1 } }];
    expect(conformity(wrong, release)).toMatchObject({ code: 1, out: expect.stringContaining('replica') });
  });
});

describe('references between objects', () => {
  it.each(CASES)('%s: has one name for each object, in its namespace', (name) => {
    const names = rendered[name].map(
      ({ kind, metadata }) => `${kind} ${at(metadata, 'namespace')}/${metadata.name}`,
    );
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((each) => !/ (llama|monitoring)\/[a-z0-9-]{1,63}$/.test(each))).toEqual([]);
  });

  it.each(WITH_POD)('%s: selectors find the pod and the Service', (name) => {
    const objects = rendered[name];
    const deployment = one(objects, 'Deployment');
    const pod = at(deployment, 'spec.template.metadata.labels');
    const service = one(objects, 'Service');
    expect(pod).toMatchObject(at(deployment, 'spec.selector.matchLabels') as object);
    expect(pod).toMatchObject(at(service, 'spec.selector') as object);
    for (const { kind, spec } of objects) {
      if (kind === 'ServiceMonitor')
        expect(service.metadata.labels).toMatchObject(at(spec, 'selector.matchLabels') as object);
      if (kind === 'NetworkPolicy') expect(pod).toMatchObject(at(spec, 'podSelector.matchLabels') as object);
    }
  });

  it.each(WITH_POD)('%s: all objects use the same port', (name) => {
    const objects = rendered[name];
    const container = containerOf(objects);
    expect(at(container, 'args')).toContain(`--web.listen-address=:${PORT}`);
    expect(at(container, 'ports')).toEqual([{ name: 'exporter', containerPort: PORT, protocol: 'TCP' }]);
    expect(at(one(objects, 'Service'), 'spec.ports.0')).toMatchObject({
      name: 'exporter',
      targetPort: 'exporter',
    });
    for (const { kind, spec } of objects) {
      if (kind === 'NetworkPolicy')
        expect(at(spec, 'ingress.0.ports')).toEqual([{ port: PORT, protocol: 'TCP' }]);
      if (kind === 'ServiceMonitor') expect(at(spec, 'endpoints.0.port')).toBe('exporter');
    }
  });

  it.each(WITH_POD)('%s: every mount has a volume, and every volume is there', (name) => {
    const objects = rendered[name];
    const volumes = at(podOf(objects), 'volumes') as { name: string }[];
    const mounts = at(containerOf(objects), 'volumeMounts') as { name: string }[];
    expect(mounts.map((mount) => mount.name).toSorted()).toEqual(
      volumes.map((volume) => volume.name).toSorted(),
    );
    const made = new Set(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
    const wanted = volumes
      .flatMap((volume) => [
        ['ConfigMap', at(volume, 'configMap.name')],
        ['Secret', at(volume, 'secret.secretName')],
        ['PersistentVolumeClaim', at(volume, 'persistentVolumeClaim.claimName')],
      ])
      .filter(([, value]) => value !== undefined)
      .map(([kind, value]) => `${kind}/${value}`);
    const others =
      name === 'existing'
        ? ['Secret/llama-keys', 'Secret/exporter-web', 'PersistentVolumeClaim/exporter-state']
        : [];
    expect(wanted.filter((each) => !made.has(each)).toSorted()).toEqual(others.toSorted());
  });
});

describe('the pod', () => {
  it('satisfies the Pod Security Standard "restricted"', () => {
    for (const name of ['defaults', 'everything'] as const) {
      const pod = podOf(rendered[name]);
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const forbidden of ['hostPID', 'hostIPC', 'hostNetwork'])
        expect(pod).not.toHaveProperty(forbidden);
      expect(at(pod, 'containers')).toHaveLength(1);
      expect(containerOf(rendered[name])).toMatchObject({
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      const kinds = (at(pod, 'volumes') as object[]).flatMap((volume) =>
        Object.keys(volume).filter((key) => key !== 'name'),
      );
      const allowed = ['configMap', 'secret', 'emptyDir', 'persistentVolumeClaim'];
      expect(kinds.filter((kind) => !allowed.includes(kind))).toEqual([]);
    }
  });

  it('passes only existing flags', () => {
    const known = CONFIGURATION_FLAGS.map(({ name }) => name);
    for (const name of WITH_POD) {
      const [command, ...flags] = at(containerOf(rendered[name]), 'args') as string[];
      expect(command).toBe('serve');
      const given = flags.map((flag) => /^--([\w.-]+)=/.exec(flag)?.[1] ?? flag);
      expect(given.filter((flag) => flag !== 'config.file' && !known.includes(flag))).toEqual([]);
    }
  });

  it('probes existing paths, and only the open port where users are configured', () => {
    const { paths } = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8'));
    for (const probe of ['livenessProbe', 'readinessProbe']) {
      expect(Object.keys(paths)).toContain(at(containerOf(rendered.defaults), `${probe}.httpGet.path`));
      expect(at(containerOf(rendered.existing), probe)).toMatchObject({ tcpSocket: { port: 'exporter' } });
    }
    const secure = render(['--set', 'webConfig.existingSecret=web,webConfig.tls=true']);
    expect(at(containerOf(secure), 'livenessProbe.httpGet.scheme')).toBe('HTTPS');
  });

  it('is replaced when its configuration changes', () => {
    const checksum = (...args: string[]) =>
      at(one(render(args), 'Deployment'), 'spec.template.metadata.annotations.checksum/config');
    expect(checksum()).toBe(checksum('--set', 'service.port=80'));
    expect(checksum()).not.toBe(checksum('--set', 'config.log.level=debug'));
  });
});

describe('the configuration', () => {
  it.each(CASES)('%s: passes check-config', async (name) => {
    const text = configText(rendered[name]);
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    const files = [...text.matchAll(/secrets\/([\w-]+)/g)].map(([, file = '']) => file);
    for (const file of files) writeFileSync(join(home, file), `a-secret-called-${file}`);
    writeFileSync(join(home, 'config.yml'), text.replaceAll(SECRETS, `${home}/`));
    const { code, out, err } = await runProgram('check-config', join(home, 'config.yml'));
    expect([code, err, out]).toEqual([0, '', expect.stringMatching(/: valid, \d routers?\n$/)]);
  });

  const configOf = (name: Case) => parse(configText(rendered[name]));

  it('equals the values, including empty and false ones', () => {
    const { config } = parse(readFileSync(valuesFile('everything'), 'utf8'));
    expect(configOf('everything')).toEqual({
      ...config,
      state: { file: '/var/lib/llama-router-exporter/state.json' },
    });
  });

  it('follows a llama-server in the pod when no router is named', () => {
    expect(configOf('defaults').routers).toEqual([{ url: 'http://llama-server:8080' }]);
    expect(configOf('sidecar').routers).toEqual([{ url: 'http://localhost:8080' }]);
    expect(configOf('found').routers).toEqual([]);
  });
});
