import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { WISHES } from '../../src/alerts/alert-options.ts';
import { decideOn } from '../../src/alerts/policy.ts';
import { rulesOf } from '../../src/alerts/rules.ts';
import { loadConfig } from '../../src/config/load.ts';
import { aNotification, anAlert } from '../support/notification.ts';
import { yamlBlocks } from '../support/yaml-blocks.ts';

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'alertmanager.md');

it('docs/alertmanager.md has a row for every wish, with examples that are understood', () => {
  const rows = [...readFileSync(DOCUMENT, 'utf8').matchAll(/^\| `(unload_\w+)` \|.*\| (.*) \|$/gm)];
  expect(rows.map(([, name]) => name)).toEqual(WISHES);
  const rules = { ...rulesOf(loadConfig({ env: {}, flags: {} }).alerts), holdLimitMs: 3_600_000 };
  for (const [, name = '', examples = ''] of rows) {
    for (const [, example = ''] of examples.matchAll(/`([^`]+)`/g)) {
      const alert = anAlert({ annotations: { [name]: example } });
      expect(decideOn(aNotification([alert]), rules, ['a'])).toMatchObject({ kind: 'unload', details: [] });
    }
  }
});

it('the configuration that it shows loads', () => {
  const [, , shown = ''] = yamlBlocks('alertmanager.md');
  const scratch = mkdtempSync(join(tmpdir(), 'alerts-'));
  try {
    const file = join(scratch, 'config.yml');
    writeFileSync(file, shown);
    expect(loadConfig({ file, env: {}, flags: {} }).alerts).toMatchObject({
      router_label: 'instance',
      routers: [{ value: 'gpu-box:*', router: 'gpu-box' }],
    });
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
