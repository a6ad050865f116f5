import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { OPTION_NAMES } from '../../src/alerts/options.ts';
import { decideOn } from '../../src/alerts/policy.ts';
import { loadConfig } from '../../src/config/load.ts';
import { aNotification, anAlert } from '../support/notification.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { yamlBlocks } from '../support/yaml-blocks.ts';

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'alertmanager.md');

it('docs/alertmanager.md lists every option of an alert, with valid examples', () => {
  const rows = [...readFileSync(DOCUMENT, 'utf8').matchAll(/^\| `(unload_\w+)` +\|.*\| (.*?) *\|$/gm)];
  expect(rows.map(([, name]) => name)).toEqual(OPTION_NAMES);
  const rules = { ...loadConfig({ env: {}, flags: {} }).alerts, hold_limit: 3600 };
  for (const [, name = '', examples = ''] of rows) {
    for (const [, example = ''] of examples.matchAll(/`([^`]+)`/g)) {
      const alert = anAlert({ annotations: { [name]: example } });
      expect(decideOn(aNotification([alert]), rules, ['a'])).toMatchObject({ unloads: [{}], details: [] });
    }
  }
});

it('the alerts section that docs/alertmanager.md shows is valid', () => {
  const section = yamlBlocks('alertmanager.md').find((block) => block.startsWith('alerts:'));
  const folder = scratchFolder();
  const file = join(folder, 'config.yml');
  writeFileSync(file, section ?? '');
  expect(loadConfig({ file, env: {}, flags: {} }).alerts).toMatchObject({
    router_label: 'instance',
    routers: [{ value: 'gpu-box:*', router: 'gpu-box' }],
  });
});
