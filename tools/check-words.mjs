// Finds filler words and retired terms in texts and code: `node tools/check-words.mjs [FILE…]`.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Patterns of whole words in any case, with what to write instead. */
const WORDS = {
  'nobody|somebody|someone else|everybody|anybody': 'who acts: the exporter, a client, an operator',
  'whoever|whomever|whosoever': 'the person or program',
  whatever: 'any, or leave it out',
  anew: 'again',
  whence: 'from where',
  beside: 'next to, with, in addition to',
  'deeds?': 'operation',
  'is told|are told|was told|tells? of|told of': 'receives, reports, logs',
  'so many': 'the number',
  'in vain': 'without success',
  'the one that': 'a noun',
  'beliefs?|believed?|believes|believing': 'state, observed state',
  'desks?': 'state, tracker',
  'sightings?': 'observation',
  undecided: 'pending unload reason',
  'bookkeeping|counting room': 'activity log, metric registry, sample cache',
  sweeper: 'idle scheduler',
  'in force': 'active',
  'make way|makes way': 'preempt',
  resting: 'idle, paused, in cooldown',
  'withdraws?|withdrawn': 'cancel',
  'lanes?': 'queue',
  'none of ours|not ours|can be the name of no': 'unknown, unattributed',
  'means it': 'verified',
  'no longer than so|for so long': 'a duration',
};

/** Files in which a word is right: this list, and the user `nobody` of Unix. */
const ALLOWED = {
  'tools/check-words.mjs': Object.keys(WORDS),
  'docs/recipes.md': ['nobody|somebody|someone else|everybody|anybody'],
};

const IGNORED =
  /(^|\/)(package-lock\.json|LICENSE|node_modules)|^test\/fixtures\/|^docs\/pictures\/|\.(png|pem|gguf|ico)$/;

const patterns = Object.entries(WORDS).map(([words, instead]) => ({
  words,
  instead,
  pattern: new RegExp(`(?<![\\w-])(${words})(?![\\w-])`, 'gi'),
}));
const named = process.argv.slice(2);
const tracked = execFileSync('git', ['ls-files', ...named], { cwd: root, encoding: 'utf8' }).split('\n');
let found = 0;
for (const file of tracked) {
  if (file === '' || IGNORED.test(file)) continue;
  const lines = readFileSync(`${root}/${file}`, 'utf8').split('\n');
  for (const [i, line] of lines.entries()) {
    for (const { words, instead, pattern } of patterns) {
      if (ALLOWED[file]?.includes(words)) continue;
      for (const [word] of line.matchAll(pattern)) {
        console.log(`${file}:${i + 1}: "${word}": write ${instead}`);
        found += 1;
      }
    }
  }
}
console.log(found === 0 ? 'No retired words.' : `${found} retired words.`);
process.exitCode = found === 0 ? 0 : 1;
