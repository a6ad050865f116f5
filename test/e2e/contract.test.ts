import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { describeRouterContract } from '../contract/router-contract.ts';
import type { StartOptions, StartRouter } from '../contract/router-under-test.ts';
import { startRealRouter } from '../support/real-router.ts';

const start: StartRouter = async (options) => {
  const preset = presetOf(options);
  const file = preset === '' ? undefined : writePreset(preset);
  const router = await startRealRouter({
    ...options,
    ...(file && { args: ['--models-preset', file.path] }),
  });
  return {
    url: router.url,
    crash: router.crash,
    addModel: router.addModel,
    removeModel: router.removeModel,
    async stop() {
      file?.remove();
      await router.stop();
    },
  };
};

describeRouterContract('llama-server', start, { sleepIdleSeconds: 1, stopTimeoutSeconds: 2, seconds: 20 });

/** Only a preset file gives a model of a folder its aliases, its tags and its stop timeout. */
function presetOf({ aliases = [], tags = [], stopTimeoutSeconds }: StartOptions): string {
  const lines = [];
  if (aliases.length + tags.length > 0) {
    lines.push('[tiny-a]', `alias = ${aliases.join(',')}`, `tags = ${tags.join(',')}`);
  }
  if (stopTimeoutSeconds !== undefined) lines.push('[mid]', `stop-timeout = ${stopTimeoutSeconds}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** The server in the Debian root sees the root's folder for temporary files, one of its own the machine's. */
function writePreset(text: string): { path: string; remove(): void } {
  const root = process.env.LLAMA_SERVER_BIN ? '' : sidRoot;
  const folder = mkdtempSync(join(root, '/tmp/preset-'));
  writeFileSync(join(folder, 'preset.ini'), text);
  return {
    path: join(folder, 'preset.ini').slice(root.length),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
