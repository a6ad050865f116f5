import { expect, it } from '@jest/globals';
import { negotiateFormat } from '../../src/metrics/render.ts';

const OLD_PROMETHEUS =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
const TEXT_FIRST =
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3';

it.each<[string, string | undefined, 'text' | 'openmetrics']>([
  ['Prometheus 2.42', OLD_PROMETHEUS, 'openmetrics'],
  ['Prometheus 3.5', PROMETHEUS_3, 'openmetrics'],
  [
    'Prometheus 3.5 that may also read protobuf',
    `application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,${PROMETHEUS_3}`,
    'openmetrics',
  ],
  ['Prometheus with text first', TEXT_FIRST, 'text'],
  ['Prometheus 1', 'text/plain;version=0.0.4;q=1,*/*;q=0.1', 'text'],
  ['curl', '*/*', 'text'],
  [
    'Firefox',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'text',
  ],
  ['nobody', undefined, 'text'],
  ['an empty header', '', 'text'],
  ['OpenMetrics alone', 'application/openmetrics-text', 'openmetrics'],
  [
    'OpenMetrics 1.0.0 with blanks',
    'application/openmetrics-text ; version=1.0.0 ; charset=utf-8',
    'openmetrics',
  ],
  ['capitals', 'Application/OpenMetrics-Text; Version=1.0.0', 'openmetrics'],
  ['an OpenMetrics that we do not write', 'application/openmetrics-text;version=0.0.1', 'text'],
  ['a later OpenMetrics', 'application/openmetrics-text;version=2.0.0', 'text'],
  ['OpenMetrics and text alike', 'text/plain,application/openmetrics-text;version=1.0.0', 'openmetrics'],
  ['text rather', 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain', 'text'],
  ['any text rather', 'application/openmetrics-text;q=0.5,text/*', 'text'],
  ['anything rather', 'application/openmetrics-text;q=0.1,*/*;q=0.9', 'text'],
  ['anything but OpenMetrics', 'application/openmetrics-text;q=0,*/*', 'text'],
  ['anything but OpenMetrics, and nothing else', 'application/openmetrics-text;q=0', 'text'],
  ['no number', 'application/openmetrics-text;q=high', 'text'],
  ['no number for text', 'application/openmetrics-text;q=0.2,text/plain;q=low', 'openmetrics'],
  ['garbage', ';;,,q=1;=,application/', 'text'],
  ['something alike', 'application/openmetrics-text-2', 'text'],
])('answers %s', (_, accept, format) => {
  expect(negotiateFormat(accept)).toBe(format);
});
