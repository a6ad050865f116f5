import { describe, expect, it } from '@jest/globals';
import { createLogger, LOG_LEVELS, type LoggerOptions } from '../../src/lib/logger.ts';

const TS = '2023-11-14T22:13:20.000Z';

function aLogger(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    level: 'debug',
    format: 'logfmt',
    write: (line) => lines.push(line),
    now: () => 1_700_000_000_000,
    ...options,
  });
  return { log, lines };
}

describe('logfmt', () => {
  it.each<[string, Record<string, string | number | boolean | undefined>, string]>([
    [
      'plain values',
      { router: 'attic:8080', seconds: 1.5, ok: true },
      'router=attic:8080 seconds=1.5 ok=true',
    ],
    [
      'numbers to thousandths',
      { seconds: 6.01084326171875, bytes: 8_589_934_592 },
      'seconds=6.011 bytes=8589934592',
    ],
    ['undefined values are left out', { router: 'attic', error: undefined }, 'router=attic'],
    ['spaces and quotes', { model: 'bge "en"' }, 'model="bge \\"en\\""'],
    ['an equals sign', { model: 'a=b' }, 'model="a=b"'],
    ['a backslash', { model: 'a\\b' }, 'model="a\\\\b"'],
    ['nothing', { model: '' }, 'model=""'],
    ['other letters', { model: 'größe-🦙' }, 'model=größe-🦙'],
    ['a line break', { model: 'a\nlevel=error' }, 'model="a\\nlevel=error"'],
    ['terminal escapes', { model: '\u001b[31mred' }, 'model="\\u001b[31mred"'],
    ['a bell', { model: 'ding\u0007' }, 'model="ding\\u0007"'],
  ])('%s', (_, fields, text) => {
    const { log, lines } = aLogger();
    log.info('model loaded', fields);
    expect(lines).toEqual([`ts=${TS} level=info msg="model loaded" ${text}\n`]);
  });

  it('writes a message without fields', () => {
    const { log, lines } = aLogger();
    log.warn('ready');
    expect(lines).toEqual([`ts=${TS} level=warn msg=ready\n`]);
  });

  it.each(['\u007f', '\u009b31m', '\u2028', 'a\u2028b'])('escapes the control character in %j', (model) => {
    const { log, lines } = aLogger();
    log.info('x', { model });
    expect(lines.join('')).not.toMatch(/[\u007f-\u009f\u2028]/);
  });
});

describe('JSON', () => {
  it('writes one object per line and keeps the types of values', () => {
    const { log, lines } = aLogger({ format: 'json' });
    log.error('model\nfailed', { model: 'a "b"', seconds: 1.5, forced: false, error: undefined });
    expect(lines).toEqual([
      `{"ts":"${TS}","level":"error","msg":"model\\nfailed","model":"a \\"b\\"","seconds":1.5,"forced":false}\n`,
    ]);
  });
});

it.each(LOG_LEVELS)('level %s leaves out less severe lines', (level) => {
  const { log, lines } = aLogger({ level });
  for (const own of LOG_LEVELS) log[own]('x');
  expect(lines.map((line) => /level=(\w+)/.exec(line)?.[1])).toEqual(
    LOG_LEVELS.slice(LOG_LEVELS.indexOf(level)),
  );
});

it('lines that cannot be written are counted, and their number is logged as soon as one can be', () => {
  let isFull = false;
  const written: string[] = [];
  const write = (line: string) => !isFull && written.push(line) > 0;
  const { log } = aLogger({ write });
  expect(log.succeeded()).toBeUndefined();
  log.info('before');
  expect(log.succeeded()).toBe(true);
  isFull = true;
  for (const message of ['a', 'b', 'c']) log.info(message);
  expect(log.succeeded()).toBe(false);
  isFull = false;
  log.info('after');
  expect(log.succeeded()).toBe(true);
  expect(written.map((line) => line.split(' ').slice(2).join(' '))).toEqual([
    'msg=before\n',
    'msg=after\n',
    'msg="log is written again" lost=3\n',
  ]);
});
