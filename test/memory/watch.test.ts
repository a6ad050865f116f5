import { expect, it } from '@jest/globals';
import { createLogger } from '../../src/lib/logger.ts';
import type { MemoryReading } from '../../src/memory/reading.ts';
import { logReading } from '../../src/memory/watch.ts';
import { aReading } from '../support/a-reading.ts';

/** The lines logged for these readings, without time. */
function linesOf(...readings: Partial<MemoryReading>[]): string[] {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.trim().replace(/^ts=\S+ /, ''));
  const onReading = logReading(createLogger({ level: 'debug', format: 'logfmt', write, now: () => 0 }));
  for (const reading of readings) onReading(aReading(reading));
  return lines;
}

const nvidia = (more: object) => ({ reports: [{ collector: 'nvidia-smi', seconds: 1, ...more }] });
const gpus = [{ gpu: '0', uuid: 'GPU-0', name: 'RTX', pool: 'vram' }] as const;

it('a fault is logged when it begins, changes and ends, but not for another number in it', () => {
  const late = (seconds: number) => nvidia({ fault: `no response within ${seconds} s` });
  expect(linesOf(late(3), late(4), nvidia({ fault: 'exited with 9' }), nvidia({}), nvidia({}))).toEqual([
    'level=warn msg="memory source failed" collector=nvidia-smi error="no response within 3 s"',
    'level=warn msg="memory source failed" collector=nvidia-smi error="exited with 9"',
    'level=info msg="memory source recovered" collector=nvidia-smi',
  ]);
});

it('a warning is logged once, also with another address or time in it', () => {
  const warning = (address: string, time: string) =>
    nvidia({ warnings: [`${time} infoROM is corrupted at ${address}`] });
  expect(linesOf(warning('0000:0B:00.0', '12:00:01'), warning('0000:0C:00.0', '12:00:02'))).toHaveLength(1);
});

it('process IDs of another namespace are logged once, with the remedy', () => {
  const lines = linesOf({ foreignPids: true }, { foreignPids: false }, { foreignPids: true });
  expect(lines).toEqual([expect.stringMatching(/collector=nvidia-smi .*pid: host; in a pod, hostPID: true/)]);
});

it('processes that stay invisible for a minute are logged once, where there is a GPU', () => {
  const hidden = (at: number, more: Partial<MemoryReading> = { gpus }) => ({ at, hidden: ['box'], ...more });
  expect(linesOf(hidden(0), hidden(59_999), { at: 60_000, gpus }, hidden(60_001))).toEqual([]);
  expect(linesOf(hidden(0, {}), hidden(60_000, {}))).toEqual([]);
  expect(linesOf(hidden(0), hidden(60_000), hidden(65_000))).toEqual([
    expect.stringMatching(/collector=processes warning="models of box are loaded, but not visible here/),
  ]);
});

it('an orphan and a model in a container are logged once each', () => {
  const orphan = { router: 'box', model: 'qwen3', pid: 7, residentBytes: 1024, gpus: [] };
  const contained = [{ router: 'box', model: 'vllm1' }];
  const others = {
    orphans: [orphan, { ...orphan, model: 'qwen2' }],
    contained: [{ router: 'box', model: 'vllm2' }],
  };
  expect(linesOf({ orphans: [orphan], contained }, { orphans: [orphan], contained }, others)).toEqual([
    'level=warn msg="orphan process of a model holds memory; end it" router=box model=qwen3 pid=7 bytes=1024',
    expect.stringMatching(/^level=warn msg=".* in a container .*" router=box model=vllm1$/),
    expect.stringMatching(/msg="orphan .* model=qwen2 pid=7/),
    expect.stringMatching(/in a container .* model=vllm2$/),
  ]);
});
