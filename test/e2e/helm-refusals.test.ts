import { describe, expect, it } from '@jest/globals';
import { helmTemplate } from '../support/helm.ts';

describe('invalid combinations are refused', () => {
  const sidecar = ['mode=sidecar', 'sidecar.podLabels.app=x'];

  it.each([
    [
      'a key in a ConfigMap',
      ['config.routers[0].url=http://x', 'config.routers[0].api_key=k'],
      'config.routers[0].api_key: users who can read ConfigMaps could read it; put it into secrets.values and set api_key_file: /etc/llama-router-exporter/secrets/NAME',
    ],
    [
      'a key of a group in a ConfigMap',
      ['config.discovery[0].name=x', 'config.discovery[0].dns[0]=y', 'config.discovery[0].api_key=k'],
      'config.discovery[0].api_key: users who can read ConfigMaps could read it',
    ],
    [
      'a password in a ConfigMap',
      ['config.routers[0].url=http://x', 'config.routers[0].username=u', 'config.routers[0].password=p'],
      'config.routers[0].password: users who can read ConfigMaps could read it; put it into secrets.values and set password_file: /etc/llama-router-exporter/secrets/NAME',
    ],
    [
      'a CA that no secret brings',
      [
        'config.routers[0].url=https://x',
        'config.routers[0].ca_file=/etc/llama-router-exporter/secrets/ca.pem',
      ],
      'config.routers[0].ca_file: /etc/llama-router-exporter/secrets/ca.pem does not exist; add "ca.pem" to secrets.values',
    ],
    [
      'a policy that does not know the ports of routers to be found',
      ['networkPolicy.enabled=true', 'config.discovery[0].name=x', 'config.discovery[0].dns[0]=y'],
      'networkPolicy.routerPorts: empty, but the ports of config.discovery[0] are unknown',
    ],
    [
      'a token in a ConfigMap',
      ['config.auth.tokens[0].token=t'],
      'config.auth.tokens[0].token: users who can read ConfigMaps',
    ],
    [
      'a file that no secret brings',
      ['config.auth.tokens[0].token_file=/etc/llama-router-exporter/secrets/t'],
      'config.auth.tokens[0].token_file: /etc/llama-router-exporter/secrets/t does not exist; add "t" to secrets.values',
    ],
    ['another port', ['config.web.listen_address=:80'], 'remove it and set service.port'],
    [
      'another way to the web configuration',
      ['config.web.config_file=web.yml'],
      'set webConfig.existingSecret to a Secret with web.yml',
    ],
    [
      'two sources of secrets',
      ['secrets.existingSecret=a', 'secrets.values.b=c'],
      'secrets: existingSecret and values exclude each other',
    ],
    ['TLS out of nothing', ['webConfig.tls=true'], 'describe a Secret; set webConfig.existingSecret'],
    [
      'a sidecar without a pod',
      ['mode=sidecar'],
      "sidecar.podLabels: empty; set the labels of llama-server's pods",
    ],
    [
      'a policy that cuts off llama-server',
      [...sidecar, 'networkPolicy.enabled=true'],
      'in mode sidecar it would cut off llama-server',
    ],
    ['the pod of another chart', [...sidecar, 'hostPID=true'], 'shareProcessNamespace: true'],
    [
      'a policy that allows everyone',
      ['networkPolicy.enabled=true', 'networkPolicy.ingressFrom=null'],
      'networkPolicy.ingressFrom: empty allows everyone',
    ],
    [
      'a threshold that there is not',
      ['prometheusRule.thresholds.model_idle=1'],
      'prometheusRule.thresholds.model_idle: unknown; use one of gpu_memory_used_ratio, model_idle_seconds',
    ],
    [
      'a misspelt value',
      ['serviceMonitors.enabled=true'],
      "additional properties 'serviceMonitors' not allowed",
    ],
    [
      'a misspelt key of the configuration',
      ['config.unload.keeep=x'],
      "additional properties 'keeep' not allowed",
    ],
  ])('%s', (_what, settings, words) => {
    const { code, out, err } = helmTemplate(settings.flatMap((setting) => ['--set', setting]));
    expect([code, out, err]).toEqual([1, '', expect.stringContaining(words)]);
  });

  it('all of them at once', () => {
    const { err } = helmTemplate(['--set', 'webConfig.tls=true,mode=sidecar,hostPID=true']);
    expect(err).toMatch(
      /Invalid values for [\w-]+:\n {2}webConfig: .*\n {2}sidecar\.podLabels: .*\n {2}hostPID: /,
    );
  });
});
