import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { scratchFolder } from '../support/scratch-folder.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const read = (path: string) => parse(text(path), { merge: true });

interface Service {
  image: string;
  profiles: string[];
  command?: string[];
  entrypoint?: string[];
  user?: string;
  pid?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  secrets?: (string | { source: string; target: string })[];
  healthcheck?: { test?: string[] };
  depends_on?: Record<string, { condition: string }>;
  networks?: { default: { aliases: string[] } };
}

const file = read('docker-compose.yml') as {
  services: Record<string, Service>;
  secrets: Record<string, { file: string }>;
};
const services = Object.entries(file.services);
const ADDITIONS = ['gpu-amd', 'gpu-nvidia', 'gpu-vulkan'].map((name) => `deploy/compose/${name}.yml`);
const PROFILES = [...new Set(services.flatMap(([, { profiles }]) => profiles))].sort();
const ofProfile = (profile: string) => services.filter(([, { profiles }]) => profiles.includes(profile));

/** A value with the defaults of its variables. */
const unset = (value: string) => value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1');

/** Mounted folders and files of the checkout, with their targets. */
function mounts({ volumes = [] }: Service): { source: string; target: string }[] {
  return volumes.flatMap((each) => {
    const [source = '', target = ''] = unset(each).split(':');
    return source.startsWith('./') ? [{ source: source.slice(2), target }] : [];
  });
}

function secretsOf({ secrets = [] }: Service): { source: string; path: string }[] {
  return secrets.map((each) => {
    const { source, target } = typeof each === 'string' ? { source: each, target: each } : each;
    return { source, path: `/run/secrets/${target}` };
  });
}

/** The port of a service, from its health check. */
function portOf({ healthcheck, image }: Service): string {
  const asked = healthcheck?.test ?? (image.startsWith('llama-router-exporter:') ? [text('Dockerfile')] : []);
  return /127\.0\.0\.1:(\d+)/.exec(asked.join(' '))?.[1] ?? 'nowhere';
}

describe('docker-compose.yml and the GPU files', () => {
  it.each(['docker-compose.yml', ...ADDITIONS])('%s follows the Compose Specification', (path) => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    const schema = JSON.parse(text('test/fixtures/compose/compose-spec.schema.json'));
    const isValid = ajv.compile(schema);
    expect([isValid(read(path)), isValid.errors]).toEqual([true, null]);
  });

  it('uses one version of every image', () => {
    const images = ['docker-compose.yml', ...ADDITIONS].flatMap((path) =>
      [...text(path).matchAll(/^\s+image: (.*)$/gm)].map(([, image = '']) => image),
    );
    expect(images.length).toBeGreaterThan(9);
    for (const image of images) expect(image).toMatch(/^[\w./-]+:[\w.-]*\d[\w.-]*$/);
    const { version } = JSON.parse(text('package.json'));
    expect(images).toContain(`llama-router-exporter:${version}`);
  });

  it('restricts every service', () => {
    for (const [name, { cap_drop, security_opt, read_only = false, pid, ...service }] of services) {
      const writes = ['open-webui', 'pipelines'].includes(name);
      expect([name, cap_drop, security_opt, read_only, pid]).toEqual([
        name,
        ['ALL'],
        ['no-new-privileges:true'],
        !writes,
        undefined,
      ]);
      expect(service).toHaveProperty('mem_limit');
    }
  });

  it('publishes ports for people on this machine only', () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => [name, unset(port)]));
    expect(published).toEqual([
      ['exporter', '127.0.0.1:10180:10180'],
      ['grafana', '127.0.0.1:3000:3000'],
      ['open-webui', '127.0.0.1:3001:8080'],
      ['exporter-demo', '127.0.0.1:10180:10180'],
      ['grafana-demo', '127.0.0.1:3000:3000'],
    ]);
    for (const [name, { ports = [], ...service }] of services) {
      const inside = ports.map((port) => port.split(':').at(-1));
      if (inside.length > 0) expect([name, inside]).toEqual([name, [portOf(service)]]);
    }
  });

  it('mounts only files that exist or that prepare.sh creates', () => {
    const absent = services
      .flatMap(([, service]) => mounts(service))
      .filter(({ source }) => !existsSync(join(ROOT, source)));
    expect(new Set(absent.map(({ source, target }) => `${source} ${target}`))).toEqual(
      new Set(['models /models']),
    );
  });

  it('shows the host processes to the exporter only with a GPU file', () => {
    const withPid = ADDITIONS.map((path) => [path, read(path).services.exporter.pid]);
    expect(withPid).toEqual(ADDITIONS.map((path) => [path, 'host']));
    const names = ADDITIONS.flatMap((path) => Object.keys(read(path).services));
    expect([...new Set(names)].sort()).toEqual(['exporter', 'llama-server', 'llama-swap']);
  });
});

describe.each(PROFILES)('in the profile %s', (profile) => {
  const members = ofProfile(profile);
  const at = new Map(
    members.flatMap(([name, service]) =>
      [name, ...(service.networks?.default.aliases ?? [])].map((each) => [each, portOf(service)]),
    ),
  );
  /** The configuration that a service reads from a mounted file or folder. */
  const mounted = (service: Service, path: string) => {
    const mount = mounts(service).find(({ target }) => path === target || path.startsWith(`${target}/`));
    return mount && read(mount.source + path.slice(mount.target.length));
  };

  it('every configured host and port belongs to a service', () => {
    const urls = members.flatMap(([, service]) => {
      const prometheus = mounted(service, '/etc/prometheus/prometheus.yml');
      const scraped = [
        ...(prometheus?.scrape_configs ?? []),
        ...(prometheus?.alerting.alertmanagers ?? []),
      ] as { static_configs: { targets: string[] }[] }[];
      const targets = scraped.flatMap(({ static_configs }) =>
        static_configs.flatMap(({ targets }) => targets),
      );
      const alertmanager = mounted(service, '/etc/alertmanager/alertmanager.yml');
      const grafana = mounted(service, '/etc/grafana/provisioning/datasources/prometheus.yml');
      const exporter = mounted(service, '/etc/llama-router-exporter/config.yml');
      return [
        ...targets.filter((target) => !target.startsWith('localhost:')).map((target) => `http://${target}`),
        ...(alertmanager?.receivers ?? []).flatMap(
          ({ webhook_configs = [] }: { webhook_configs?: { url: string }[] }) =>
            webhook_configs.map(({ url }) => url),
        ),
        ...(grafana?.datasources ?? []).map(({ url }: { url: string }) => url),
        ...(exporter?.routers ?? []).map(({ url }: { url: string }) => url),
        ...(service.environment?.OPENAI_API_BASE_URLS?.split(';') ?? []),
      ];
    });
    const wanted = [...new Set(urls.map((url) => new URL(url).host))].sort();
    expect(wanted.length).toBeGreaterThan(3);
    // In the profile `monitoring` the user's configuration names another router.
    const here = profile === 'monitoring' ? wanted.filter((host) => host !== 'llama-server:8080') : wanted;
    expect(here.filter((host) => at.get(host.split(':')[0] ?? '') !== host.split(':')[1])).toEqual([]);
  });

  it('every configured secret exists', () => {
    for (const [name, service] of members) {
      const configurations = mounts(service)
        .map(({ source }) => join(ROOT, source))
        .filter((path) => existsSync(path))
        .flatMap((path) =>
          statSync(path).isDirectory()
            ? readdirSync(path, { withFileTypes: true })
                .filter((entry) => entry.isFile() && entry.name.endsWith('.yml'))
                .map((entry) => readFileSync(join(path, entry.name), 'utf8'))
            : [readFileSync(path, 'utf8')],
        );
      const { image: _, ...own } = service;
      const said = [...configurations, JSON.stringify(own)].join('\n').replaceAll(/^\s*#.*$/gm, '');
      const named = [...new Set(said.match(/\/run\/secrets\/\w+/g) ?? [])].sort();
      expect([
        name,
        secretsOf(service)
          .map(({ path }) => path)
          .sort(),
      ]).toEqual([name, named]);
    }
  });

  it('waits only for healthy services of this profile', () => {
    const waited = members.flatMap(([, { depends_on = {} }]) => Object.entries(depends_on));
    expect(waited.filter(([name]) => !members.some(([member]) => member === name))).toEqual([]);
    expect(new Set(waited.map(([, { condition }]) => condition))).toEqual(new Set(['service_healthy']));
  });
});

it('llama-swap has models with metrics at ports that the exporter can reach', () => {
  const { models, macros } = read('deploy/compose/llama-swap.yml') as {
    models: Record<string, { cmd: string; proxy: string }>;
    macros: Record<string, string>;
  };
  for (const { cmd, proxy } of Object.values(models)) {
    expect([cmd, proxy]).toEqual([
      expect.stringMatching(/^\$\{server\} /),
      expect.stringMatching(/^http:..llama-swap:\$\{PORT\}$/),
    ]);
  }
  expect(macros.server).toMatch(/^llama-server --host 0.0.0.0 --port \$\{PORT\} --metrics$/);
  expect(file.services['llama-swap']?.entrypoint?.at(-1)).toContain('-listen 0.0.0.0:8080');
});

it('the demo needs only secrets in the checkout', () => {
  const files = ofProfile('demo')
    .flatMap(([, service]) => secretsOf(service))
    .map(({ source }) => file.secrets[source]?.file ?? '');
  expect(new Set(files)).toEqual(new Set(['./deploy/compose/demo/token']));
  const [token, end] = text('deploy/compose/demo/token').split('\n');
  expect([text('deploy/compose/demo/exporter.yml').includes(`page: ${token}\n`), end]).toEqual([true, '']);
});

it('prepare.sh creates every secret once, readable only for containers', () => {
  const folder = scratchFolder();
  cpSync(join(ROOT, 'deploy/compose'), join(folder, 'deploy/compose'), { recursive: true });
  const prepare = (...args: string[]) =>
    spawnSync(join(folder, 'deploy/compose/prepare.sh'), args, { encoding: 'utf8' });
  const made = () =>
    Object.fromEntries(
      readdirSync(join(folder, 'secrets')).map((name) => [
        name,
        readFileSync(join(folder, 'secrets', name), 'utf8'),
      ]),
    );
  expect(prepare('neon')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("unknown GPU 'neon'"),
  });
  expect(prepare('amd')).toMatchObject({ status: 0, stderr: '' });
  const first = made();
  const named = Object.values(file.secrets).map(({ file }) => file);
  expect(
    Object.keys(first)
      .map((name) => `./secrets/${name}`)
      .sort(),
  ).toEqual(named.filter((path) => path.startsWith('./secrets/')).sort());
  expect(new Set(Object.values(first)).size).toBe(Object.keys(first).length);
  for (const secret of Object.values(first)) expect(secret).toMatch(/^[0-9a-f]{64}$/);
  expect(statSync(join(folder, 'secrets')).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, 'secrets/exporter_token')).mode & 0o777).toBe(0o444);
  const settings = readFileSync(join(folder, '.env'), 'utf8');
  expect(settings).toMatch(
    /^COMPOSE_PROFILES=stack\nCOMPOSE_FILE=docker-compose.yml:deploy\/compose\/gpu-amd.yml$/m,
  );
  for (const [, name = ''] of text('deploy/compose/gpu-amd.yml').matchAll(/\$\{(\w+):\?/g)) {
    expect(settings).toMatch(new RegExp(`^${name}=\\d+$`, 'm'));
  }
  expect(prepare()).toMatchObject({ status: 0, stdout: 'kept existing .env\n' });
  expect(made()).toEqual(first);
});
