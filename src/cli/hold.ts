import { describeEnd } from '../hold/hold.ts';
import type { HoldView } from '../http/view-schemas.ts';
import { systemClock } from '../lib/clock.ts';
import { type Call, choiceFlag, exporterOf, parsedFlag, textFlag } from './command.ts';
import { HOLD_OUTPUTS } from './command-flags.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { durationFlag, holdBodyOf, holderOf } from './operation-flags.ts';
import { type HoldBody, remoteHolds, sayWaiting, untilPrepared } from './remote-exporter.ts';
import { catchSignals } from './signals.ts';
import { formatJson, printable } from './text.ts';
import { signalExit } from './wrapped-program.ts';

type Output = (typeof HOLD_OUTPUTS)[number];

export async function hold(call: Call): Promise<number> {
  const output = choiceFlag(call, 'output', HOLD_OUTPUTS) ?? 'text';
  const waitSeconds = waitOf(call);
  const body = bodyOf(call);
  const api = remoteHolds(exporterOf(call));
  const say = (line: string) => call.terminal.err(`${line}\n`);
  const signals = catchSignals();
  try {
    const placed = await api.place(body);
    const ready = untilPrepared(api, placed, waitSeconds, sayWaiting(say), systemClock);
    const outcome = await Promise.race([ready, signals.first]);
    if (typeof outcome !== 'string') return report(call, outcome, output, waitSeconds === 0);
    await api.release(placed.id);
    say(`${outcome}: the hold is released`);
    return signalExit(outcome);
  } finally {
    signals.release();
  }
}

/** Prints a hold that was waited for; resolves to the exit code. */
function report({ terminal }: Call, hold: HoldView, output: Output, atOnce: boolean): number {
  terminal.out(formatHold(hold, output));
  const { state, why } = printable(hold);
  if (state === 'active' || (state === 'preparing' && atOnce)) return EXIT.done;
  const notFree = {
    preparing: 'memory is not free yet; the exporter continues',
    failed: `memory could not be freed: ${why ?? 'the reason is unknown'}`,
    ended: 'the hold was released',
  };
  terminal.err(`${notFree[state]}\n`);
  return EXIT.notDone;
}

function formatHold(hold: HoldView, output: Output): string {
  if (output === 'json') return formatJson(hold);
  const { id, routers, holder, reason, until, state } = printable(hold);
  if (output === 'id') return `${id}\n`;
  const end = describeEnd({ until: Date.parse(until) }, systemClock.wall());
  const purpose = reason === '' ? '' : ` for ${reason}`;
  return `${id}  ${state}  ${routers.join(', ')} until ${end}${purpose} (requested by ${holder})\n`;
}

function bodyOf(call: Call): HoldBody {
  const ttl = durationFlag(call, 'for');
  if ((ttl === undefined) === (textFlag(call, 'until') === undefined)) {
    throw new UsageError('hold needs either --for DURATION or --until TIME');
  }
  const until = parsedFlag(call, 'until', parseTime, 'a time such as 2026-08-14T14:05:00Z');
  return {
    ...holdBodyOf(call),
    ttl_seconds: ttl,
    until,
    holder: holderOf(call),
    enforce: call.flags.enforce === true ? true : undefined,
  };
}

function parseTime(text: string): string | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

function waitOf(call: Call): number {
  if (textFlag(call, 'wait') === '0') return 0;
  return durationFlag(call, 'wait') ?? Number.POSITIVE_INFINITY;
}
