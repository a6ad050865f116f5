import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseFdinfo } from '../../src/memory/drm-fdinfo.ts';
import { parseMeminfo } from '../../src/memory/host.ts';
import { parseAddress, parseDevices, parseGraphics, parseProcesses } from '../../src/memory/nvidia-csv.ts';
import { parseKibibytes, parseListeners, parseModelArguments, parseStat } from '../../src/memory/procfs.ts';
import { anyText } from '../support/any-text.ts';

const MIB = 1024 * 1024;

describe('/proc/PID/stat', () => {
  const fields =
    'S 310 412 412 0 -1 4194560 1520 0 3 0 1234 66 0 0 20 0 9 0 889123 2470379520 12034 18446744073709551615';
  const stat = { state: 'S', parentPid: 310, group: 412, session: 412, startTicks: 889_123, cpuSeconds: 13 };

  it.each(['llama-server', 'tmux: server', 'a) R 1 (b', '((', ')', '', 'line\nbreak) S 1 1'])(
    'is read behind the last parenthesis: (%s)',
    (comm) => expect(parseStat(`412 (${comm}) ${fields}\n`)).toEqual(stat),
  );

  it.each([
    '',
    'no parentheses',
    '1 (x)',
    '1 (x) S',
    '1 (x) S a b',
    `1 (x) ${fields.replace('889123', '-')}`,
  ])('is none: %j', (text) => expect(parseStat(text)).toBeUndefined());
});

describe('the command line of a process', () => {
  it.each<[string[], { alias: string; port: number } | undefined]>([
    [['llama-server', '--port', '40123', '--alias', 'qwen3-8b'], { alias: 'qwen3-8b', port: 40_123 }],
    [['x', '--alias', 'a b/ä:"', '--port', '1', '-c', '2'], { alias: 'a b/ä:"', port: 1 }],
    [['x', '--alias', 'a', '--port', '1', '--alias', 'b', '--port', '2'], { alias: 'b', port: 2 }],
    [['x', '--port', '8080'], undefined],
    [['x', '--alias', 'a'], undefined],
    [['x', '--alias', 'a', '--port'], undefined],
    [['x', '--alias', 'a', '--port', '65536'], undefined],
    [['x', '--alias', '', '--port', '1'], undefined],
    [['x', '--alias=a', '--port=1'], undefined],
    [[], undefined],
  ])('%j', (args, model) => {
    expect(parseModelArguments(args.map((arg) => `${arg}\0`).join(''))).toEqual(model);
  });
});

it('parses resident and system memory; a kernel thread has none', () => {
  expect(parseKibibytes('Name:\tx\nVmPeak:\t  9 kB\nVmRSS:\t  614400 kB\n', 'VmRSS')).toBe(600 * MIB);
  expect(parseKibibytes('Name:\tkthreadd\nThreads:\t1\n', 'VmRSS')).toBeUndefined();
  const meminfo = 'MemTotal:       125494784 kB\nMemFree:  99 kB\nMemAvailable:    65536 kB\nBuffers: 1 kB\n';
  expect(parseMeminfo(meminfo)).toEqual({ totalBytes: 125_494_784 * 1024, availableBytes: 64 * MIB });
  expect(parseMeminfo('MemTotal: 125494784 kB\n')).toBeUndefined();
});

it('parses listening sockets of IPv4 and IPv6 only', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 31338 1 0000000000000000 20 4 30 10 -1
   2: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1 0
`;
  expect([...parseListeners(table)]).toEqual([
    ['31337', 8080],
    ['7', 443],
  ]);
});

describe('nvidia-smi, cards', () => {
  const uuid = 'GPU-5f0c8d1e-6c64-2f52-77a4-8d7c1d3a9b10';
  const card = {
    ...{ gpu: '0', uuid, printedUuid: uuid, name: 'NVIDIA RTX A6000', unified: false, divided: false },
    pciAddress: '0000:0b:00.0',
  };
  const devices = (...lines: string[]) => parseDevices(`${lines.join('\n')}\n`);

  it.each([
    ['a card', '49140, 8211', { totalBytes: 49_140 * MIB, usedBytes: 8211 * MIB }],
    ['one that shares the memory of the machine', '[N/A], [N/A]', { unified: true }],
    ['Jetson', '[Not Supported], [Not Supported]', { unified: true }],
    ['one that may not be seen', '[Insufficient Permissions], [Insufficient Permissions]', {}],
    ['a lost one', '[GPU is lost], [GPU is lost]', { error: 'GPU is lost' }],
    ['one with errors', '[Unknown Error], [Unknown Error]', { error: 'Unknown Error' }],
    ['one that tells half', '49140, [N/A]', { totalBytes: 49_140 * MIB }],
  ])('%s', (_, memory, expected) => {
    const { values } = devices(`0, ${uuid}, [N/A], ${memory}, NVIDIA RTX A6000, 00000000:0B:00.0`);
    expect(values).toEqual([{ ...card, ...expected }]);
  });

  it('a divided card never counts as unified', () => {
    const { values } = devices(`0, ${uuid}, Enabled, [N/A], [N/A], NVIDIA RTX A6000, 00000000:0B:00.0`);
    expect(values).toEqual([{ ...card, divided: true }]);
  });

  it.each([
    ['NVIDIA, the card, 00000000:0B:00.0', 'NVIDIA, the card'],
    ['1, NVIDIA, the card, 00000000:0B:00.0', 'NVIDIA, the card'],
    ['NVIDIA, the card, [N/A]', 'NVIDIA, the card'],
    ['NVIDIA, the card', 'NVIDIA, the card'],
    ['[N/A]', '[N/A]'],
  ])('a name may contain commas, and the address may be missing: %s', (rest, name) => {
    expect(devices(`0, ${uuid}, [N/A], 1, 1, ${rest}`).values).toMatchObject([{ name }]);
  });

  it.each([
    ['unique ones', 'GPU-1a', 'GPU-1b', ['GPU-1a', 'GPU-1b']],
    [
      'without prefix, as on Jetson',
      'bbbe9f37-7028-556a-930b-54e5f3b67a82',
      'GPU-1b',
      ['bbbe9f37-7028-556a-930b-54e5f3b67a82', 'GPU-1b'],
    ],
    ['zeros', 'GPU-00000000-0000', 'GPU-00000000-0000', ['0000:0a:00.0', '1']],
    ['the same', 'GPU-1a', 'GPU-1a', ['0000:0a:00.0', '1']],
    ['one of zeros', 'GPU-00000000-0000', 'GPU-1b', ['0000:0a:00.0', 'GPU-1b']],
    ['none', '[N/A]', '[Unknown Error]', ['0000:0a:00.0', '1']],
  ])('uuids: %s', (_, first, second, expected) => {
    const { values } = devices(
      `0, ${first}, [N/A], 1, 1, A, 00000000:0A:00.0`,
      `1, ${second}, [N/A], 1, 1, B`,
    );
    expect(values.map((each) => each.uuid)).toEqual(expected);
  });

  it.each([
    'NVIDIA-SMI has failed because it could not …',
    'WARNING: infoROM is corrupted at gpu 0000:0B:00.0',
    `0, ${uuid}, [N/A], 49140 MiB, 8211 MiB, NVIDIA`,
    `zero, ${uuid}, [N/A], 1, 1, NVIDIA`,
    '0, , [N/A], 1, 1, NVIDIA',
    `0, ${uuid}, [N/A], -1, 1, NVIDIA`,
    `0, ${uuid}, [N/A], 1, 1`,
  ])('one malformed line costs one card: %s', (line) => {
    const { values, malformed } = devices(
      '0, GPU-1a, [N/A], 1, 1, NVIDIA',
      line,
      '2, GPU-1c, [N/A], 1, 1, NVIDIA',
    );
    expect([values.map(({ gpu }) => gpu), malformed]).toEqual([['0', '2'], [line]]);
  });

  it.each([
    ['00000000:0B:00.0', '0000:0b:00.0'],
    ['0000:0B:00.0', '0000:0b:00.0'],
    ['00010000:E1:00.0', '10000:e1:00.0'],
    ['0001:41:00.1', '0001:41:00.1'],
    ['[N/A]', undefined],
    [undefined, undefined],
  ])('the address %s', (printed, address) => expect(parseAddress(printed)).toBe(address));
});

describe('nvidia-smi, processes', () => {
  const uuid = 'GPU-5f0c8d1e-6c64-2f52-77a4-8d7c1d3a9b10';

  it('with and without an amount, an address and a pid', () => {
    const lines = [
      `${uuid}, 4101, 18022, 00000000:0B:00.0`,
      `${uuid}, 2210, [N/A]`,
      'MIG-b60fa3b1-24b6, 7, 1, [N/A]',
      '[N/A], [N/A], [N/A]',
    ];
    expect(parseProcesses(`${lines.join('\n')}\n`)).toEqual({
      values: [
        { uuid, pid: 4101, bytes: 18_022 * MIB, pciAddress: '0000:0b:00.0' },
        { uuid, pid: 2210 },
        { uuid: 'MIG-b60fa3b1-24b6', pid: 7, bytes: MIB },
        { uuid: '[N/A]' },
      ],
      malformed: [],
    });
    expect(parseProcesses('\n')).toEqual({ values: [], malformed: [] });
  });

  it.each([`${uuid}, x, 1`, `${uuid}, 1`, `${uuid}, 1, 1, 1, 1`, 'No running processes found'])(
    'one malformed line costs one process: %s',
    (line) => {
      const { values, malformed } = parseProcesses(`${uuid}, 7, 1\n${line}\n`);
      expect([values.length, malformed]).toEqual([1, [line]]);
    },
  );

  it('of type G are found in the long answer', () => {
    const text = readFileSync(
      join(import.meta.dirname, '..', 'fixtures', 'memory', 'nvidia-smi', 'h200.pids.txt'),
      'utf8',
    );
    expect(parseGraphics(text)).toEqual([{ uuid: '', pid: 816, bytes: 7 * MIB, pciAddress: '0000:00:06.0' }]);
    expect(parseGraphics('Field "PIDS" is not known')).toEqual([]);
  });
});

describe('fdinfo', () => {
  const recorded = (name: string) =>
    readFileSync(join(import.meta.dirname, '..', 'fixtures', 'memory', 'fdinfo', name), 'utf8');

  it.each([
    ['amdgpu', { pciAddress: '0000:03:00.0', id: '31', pools: { vram: 18_432 * MIB, gtt: 64 * MIB } }],
    ['amdgpu-6.13', { pciAddress: '0000:c5:00.0', id: '44', pools: { vram: 64 * MIB, gtt: 60_928 * MIB } }],
    ['xe', { pciAddress: '0000:03:00.0', id: '3', pools: { vram: 23_992 * 1024, gtt: 192 * 1024 } }],
    ['i915', { pciAddress: '0000:00:02.0', id: '7', pools: { gtt: 2048 * MIB } }],
    ['plain-file', undefined],
  ])('of %s', (name, client) => expect(parseFdinfo(recorded(name))).toEqual(client));

  it('of Linux 5.14 to 5.18 has other words', () => {
    expect(parseFdinfo(recorded('amdgpu-5.14'))).toEqual({
      ...{ pciAddress: '0000:08:00.0', id: '32770' },
      pools: { vram: 5_650_000 * 1024, gtt: 20_000 * 1024 },
    });
    const withoutPasid = recorded('amdgpu-5.14').replace(/pasid.*\n/, '');
    expect(parseFdinfo(withoutPasid)).toMatchObject({ id: withoutPasid, pools: { vram: 5_785_600_000 } });
  });

  it('a size that is not understood is unknown, not zero', () => {
    const text = recorded('amdgpu')
      .replace(/(drm-memory-vram:\s+).*/, '$1lots')
      .replace(/drm-(resident|total)-vram.*/g, '');
    expect(parseFdinfo(text)?.pools).toEqual({ vram: undefined, gtt: 64 * MIB });
  });
});

it('no text makes a parser throw', () => {
  const pieces = [
    '0, GPU-1, N/A, 1, 1, x',
    ')',
    '(',
    '\0',
    '--alias',
    '--port',
    'drm-pdev: a',
    'drm-client-id: 1',
    '\n',
    ':',
    ', ',
  ];
  const text = fc.oneof(
    anyText(),
    fc
      .array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 30 })
      .map((parts) => parts.join('')),
  );
  const parsers = [
    parseStat,
    (text: string) => parseKibibytes(text, 'VmRSS'),
    parseModelArguments,
    parseListeners,
    parseMeminfo,
    parseDevices,
    parseProcesses,
    parseGraphics,
    parseAddress,
    parseFdinfo,
  ];
  fc.assert(
    fc.property(text, (arbitrary) => {
      for (const parse of parsers) parse(arbitrary);
    }),
    { numRuns: 500 },
  );
});
