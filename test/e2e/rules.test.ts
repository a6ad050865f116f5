import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { amtool, type Prometheus, pairVersions, promtool, startPrometheus } from '../support/prometheus.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { rulesFolder, ruleTestsFolder, yamlFiles } from '../support/rule-files.ts';
import { substitute } from '../support/substitute.ts';
import { until } from '../support/until.ts';

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

describe('with the metrics of a real exporter and router', () => {
  let router: RealRouter;
  let exporter: RunningExporter;

  beforeAll(async () => {
    router = await startRealRouter({ models: ['tiny-a', 'tiny-b'] });
    exporter = await startExporter([router.url]);
    await complete(router, 'tiny-a', { tokens: 3 });
    await exporter.untilValue('llama_router_model_busy', { model: 'tiny-a' }, 0);
  });
  afterAll(async () => {
    await exporter?.stop();
    await router?.stop();
  });

  describe.each(pairVersions)('Prometheus (%s), configured as shipped', (version) => {
    let prometheus: Prometheus;

    beforeAll(async () => {
      const config = substitute(readFileSync(shipped('prometheus/prometheus.yml'), 'utf8'), [
        { of: 'exporter:10180', by: exporter.url.replace('http://', '') },
        { of: 'rules/*.yml', by: `${rulesFolder}/*.yml` },
        { of: 'evaluation_interval: 15s', by: 'evaluation_interval: 1s' },
      ]);
      prometheus = await startPrometheus({ version, config });
    });
    afterAll(() => prometheus?.stop());

    it('evaluates every rule without an error', async () => {
      const rules = async () => {
        const { groups } = (await prometheus.api('/api/v1/rules')) as {
          groups: { rules: { name: string; health: string; lastError?: string }[] }[];
        };
        return groups.flatMap((group) => group.rules);
      };
      await until('every rule to be evaluated', async () =>
        (await rules()).every(({ health }) => health !== 'unknown'),
      );
      expect((await rules()).filter(({ health }) => health !== 'ok')).toEqual([]);
    });

    it('knows idle models by host, and fires for missing GPU memory', async () => {
      const waiting = 'ALERTS{alertname="LlamaRouterMemoryNotMeasured",alertstate="pending"}';
      const [alert] = await until('the alert to wait', async () => {
        const found = await prometheus.query(waiting);
        return found.length > 0 && found;
      });
      expect(alert?.metric).toMatchObject({ host: '127.0.0.1', severity: 'info' });
      const idle = await until('the idle model', async () => {
        const found = await prometheus.query('llama_router:model_idle:seconds');
        return found.length > 0 && found;
      });
      expect(idle.map(({ metric }) => metric.model)).toEqual(['tiny-a']);
      expect(idle[0]?.value).toBeGreaterThan(0);
    });

    it('fires no other alert', async () => {
      const alerts = await prometheus.query('count by (alertname) (ALERTS{alertname=~"LlamaRouter.+"})');
      expect(alerts.map(({ metric }) => metric.alertname)).toEqual(['LlamaRouterMemoryNotMeasured']);
    });
  });
});
