import { expect, it } from '@jest/globals';
import type { DiscoveryConfig, RouterConfig } from '../../../src/config/schema.ts';
import { routersOf } from '../../../src/fleet/discovery/targets.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { aGroup } from '../../support/a-group.ts';

const aRouter = (name: string, url = `http://${name}`): RouterConfig => ({
  name,
  url,
  kind: 'auto',
  keep: [],
  local: 'auto',
  labels: {},
});

const found = (group: Partial<DiscoveryConfig>, ...urls: [name: string, url?: string][]) => ({
  group: aGroup(group),
  targets: urls.map((each) => ({
    name: each[0],
    url: each[1] ?? `http://${each[0]}`,
    labels: { rack: '7' },
  })),
});

it('are the configured ones, then the discovered ones with the options of their group', () => {
  const key = new Secret('key');
  const access = { api_key: key, username: 'me', password: key, ca_file: '/ca.pem', host_header: 'b' };
  const lab = found({ keep: ['x'], ...access, local: 'no', labels: { site: 'lab', rack: '1' } }, ['b']);
  const { routers, ignored } = routersOf([aRouter('a')], [lab, found({}, ['c'])]);
  expect(routers).toEqual([
    aRouter('a'),
    {
      name: 'b',
      url: 'http://b',
      kind: 'auto',
      keep: ['x'],
      ...access,
      local: 'no',
      labels: { site: 'lab', rack: '7' },
    },
    { ...aRouter('c'), labels: { rack: '7' } },
  ]);
  expect(ignored).toEqual([]);
});

it('that are discovered twice are one', () => {
  const { routers, ignored } = routersOf([aRouter('a')], [found({}, ['a'], ['b'], ['b'])]);
  expect(routers.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(ignored).toEqual([]);
});

it('with a name or URL in use are ignored, with the reason', () => {
  const lab = found({ name: 'lab' }, ['a', 'http://other'], ['again', 'http://a'], ['b'], ['b', 'http://c']);
  const { routers, ignored } = routersOf([aRouter('a')], [lab]);
  expect(routers.map(({ name, url }) => [name, url])).toEqual([
    ['a', 'http://a'],
    ['b', 'http://b'],
  ]);
  expect(ignored).toEqual([
    { group: 'lab', target: 'a (http://other)', why: 'its name is used by http://a' },
    { group: 'lab', target: 'again (http://a)', why: 'its URL is used by a' },
    { group: 'lab', target: 'b (http://c)', why: 'its name is used by http://b' },
  ]);
});
