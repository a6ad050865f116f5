import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { amtool, pairVersions, promtool } from '../support/prometheus.ts';
import { rulesFolder, ruleTestsFolder, yamlFiles } from '../support/rule-files.ts';

const shipped = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const PASSED = { code: 0, output: expect.stringContaining('SUCCESS') };

describe.each(pairVersions)('the %s pair', (version) => {
  it('accepts every rule', () => {
    expect(promtool(['check', 'rules', ...yamlFiles(rulesFolder)], { version })).toEqual(PASSED);
  });

  it('accepts the configuration of Prometheus, with all rule files', () => {
    const checked = promtool(['check', 'config', shipped('prometheus/prometheus.yml')], { version });
    expect(checked).toEqual(PASSED);
    for (const file of yamlFiles(rulesFolder)) expect(checked.output).toContain(`Checking ${file}`);
  });

  it.each(yamlFiles(ruleTestsFolder).map((file) => [file.slice(ruleTestsFolder.length + 1), file]))(
    'passes %s',
    (_name, file) => {
      expect(promtool(['test', 'rules', file], { version })).toEqual(PASSED);
    },
  );

  it('accepts the configuration of Alertmanager', () => {
    expect(amtool(['check-config', shipped('alertmanager/alertmanager.yml')], { version })).toEqual(PASSED);
  });

  it.each([
    [['action=unload', 'router=main'], 'exporter,people'],
    [['severity=critical'], 'people'],
  ])('routes %j to %s', (labels, receivers) => {
    const config = `--config.file=${shipped('alertmanager/alertmanager.yml')}`;
    const flags = [config, `--verify.receivers=${receivers}`];
    const { code, output } = amtool(['config', 'routes', 'test', ...flags, ...labels], { version });
    expect({ code, receivers: output.split('\n')[0] }).toEqual({ code: 0, receivers });
  });
});
