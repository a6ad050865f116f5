import type { Clock } from '../src/lib/clock.ts';
import { describeModel, type ModelDescription } from './description.ts';
import { beginning, downloadEnded, downloading, type RouterEvent } from './event.ts';
import type { ListedModel } from './listed-model.ts';

export interface DownloadPlan {
  /** Default 1 GB. */
  readonly bytes?: number;
  /** Default 5. */
  readonly seconds?: number;
  /** It breaks off half way. */
  readonly fails?: boolean;
  /** What the file turns out to be. */
  readonly model?: Partial<ModelDescription>;
}

/** A model that is on its way to the disk; it stays in the list until a rescan after its end. */
export interface Download extends ListedModel {
  readonly ended: boolean;
  /** As an unload of it does. */
  cancel(): void;
  /** Ends without a word: the router itself is gone. */
  vanish(): void;
}

const REPORTS = 10;

/** Starts at once. `done` hears of the end before the stream does. */
export function createDownload(
  id: string,
  { bytes = 1_000_000_000, seconds = 5, fails = false, model = {} }: DownloadPlan,
  clock: Clock,
  tell: (event: RouterEvent) => void,
  done: (ok: boolean) => void,
): Download {
  const url = `https://models.example/${id}/model.gguf`;
  let ended = false;
  let cancelNext = () => {};

  function end(ok: boolean): void {
    if (ended) return;
    cancelNext();
    ended = true;
    done(ok);
    tell(downloadEnded(id, ok));
  }

  function report(part: number): void {
    tell(downloading(id, url, Math.round((bytes * part) / REPORTS), bytes));
    if (part === REPORTS) return end(true);
    if (fails && part === REPORTS / 2) return end(false);
    cancelNext = clock.after((seconds * 1000) / REPORTS, () => report(part + 1));
  }

  tell(beginning(id, 'downloading'));
  cancelNext = clock.after(0, () => report(0));

  return {
    description: describeModel({ source: 'cache', ...model, id }),
    status: 'downloading',
    port: 0,
    exitCode: 0,
    known: false,
    revision: 0,
    get ended() {
      return ended;
    },
    cancel: () => end(false),
    vanish() {
      ended = true;
      cancelNext();
    },
  };
}
