// Runs in the browser. Keeps the page as the server renders it, and asks before it unloads something.

/** A change is shown this soon; more of them in that time are one. */
const SOON_MS = 150;
/** What no event tells (memory, activity, how far a load is) is looked at this often, and while much happens so often. */
const LOOK_MS = 5000;
const BUSY_LOOK_MS = 1000;
const PROGRESS_MS = 300;
const ANSWER_WITHIN_MS = 15_000;
const RECONNECT_MS = 10_000;
const TOKEN = 'llama-router-exporter token';

const $ = (id) => document.getElementById(id);
const main = document.querySelector('main');
const dialog = $('ask');
const words = JSON.parse(dialog.dataset.words);

document.documentElement.classList.add('live');

// ── The page as it is now

let stream;
let timer;
let fetching = false;
let again = false;

/** Fetches the page and makes what is shown like it, without taking focus, selection or place from anybody. */
async function refresh() {
  clearTimeout(timer);
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  again = false;
  try {
    const answer = await fetch('/', { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
    if (next === null) throw new Error('it answers with something else');
    // Another version may have another script.
    if (next.dataset.version !== main.dataset.version && !dialog.open) return location.reload();
    show(next);
    say(stream?.readyState === EventSource.OPEN ? 'live' : 'every few seconds', 'up');
  } catch {
    const at = new Date().toLocaleTimeString();
    if (!$('live').classList.contains('down')) say(`the exporter does not answer since ${at}`, 'down');
  } finally {
    fetching = false;
  }
  const lively = main.querySelector('.badge.loading, .badge.downloading, [data-under-way]') !== null;
  later(again ? SOON_MS : lively ? BUSY_LOOK_MS : LOOK_MS);
}

function later(ms) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, ms);
}

function say(text, look) {
  if ($('live').textContent !== text) $('live').textContent = text;
  $('live').className = `badge ${look}`;
}

function show(next) {
  const focused = document.activeElement;
  morph(main, next);
  if (document.activeElement === focused) return;
  // Its row moved, or is gone with what it could do.
  (focused?.isConnected ? focused : main).focus({ preventScroll: true });
}

/** Makes one element like another, and keeps every element that stays what it was. */
function morph(element, wanted) {
  for (const { name } of [...element.attributes]) {
    if (!wanted.hasAttribute(name)) element.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
  const keyed = new Map([...element.children].map((child) => [keyOf(child), child]));
  let place = element.firstChild;
  for (const child of [...wanted.childNodes]) {
    const key = keyOf(child);
    const same = key === undefined ? (isAlike(place, child) ? place : undefined) : keyed.get(key);
    if (same === undefined) {
      element.insertBefore(child, place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else element.insertBefore(same, place);
    if (same.nodeType === Node.ELEMENT_NODE) morph(same, child);
    else if (same.nodeValue !== child.nodeValue) same.nodeValue = child.nodeValue;
  }
  while (place !== null) {
    const rest = place.nextSibling;
    place.remove();
    place = rest;
  }
}

function keyOf(node) {
  return node instanceof Element ? (node.getAttribute('data-key') ?? undefined) : undefined;
}

function isAlike(one, other) {
  return one !== null && one.nodeName === other.nodeName && keyOf(one) === undefined;
}

/** A page that nobody looks at holds no connection. */
function follow() {
  stream?.close();
  clearTimeout(timer);
  if (document.hidden) return;
  stream = new EventSource('/api/v1/events');
  stream.onopen = refresh;
  stream.onmessage = () => later(SOON_MS);
  stream.onerror = () => {
    const refused = stream.readyState === EventSource.CLOSED;
    if (refused) setTimeout(() => stream.readyState === EventSource.CLOSED && follow(), RECONNECT_MS);
    refresh();
  };
}

document.addEventListener('visibilitychange', follow);
follow();
refresh();

// ── Acting

/** What the dialog is about; undefined while it is closed. Answers that come later are for nobody. */
let asked;

document.addEventListener('click', ({ target }) => {
  const button = target.closest?.('button[data-act]');
  if (!button) return;
  const { act, router, model } = button.dataset;
  if (act === 'release') open(release(router));
  else open(unload(router, model));
});

function unload(router, model) {
  const path = model === undefined ? '/api/v1/unload-all' : '/api/v1/unload';
  const what = model === undefined ? 'all models' : model;
  const body = {
    ...(router !== undefined && { routers: [router] }),
    ...(model !== undefined && { models: [model] }),
  };
  return {
    title: `Unload ${what}${router === undefined ? ' on every router' : ` of ${router}`}?`,
    async look(deed) {
      const when_busy = dialog.querySelector('[name=when-busy]:checked').value;
      const turn = deed.turn;
      const plan = await call('POST', path, { ...body, when_busy, dry_run: true });
      // Another choice may have been made meanwhile: its answer counts.
      if (deed !== asked || deed.turn !== turn) return;
      const models = modelsOf(plan);
      list(plan);
      const count = models.filter(({ result }) => result === 'would_unload').length;
      if (models.some(({ detail }) => /^it is (generating|still loading)/.test(detail)))
        $('ask-busy').hidden = false;
      $('ask-hold').hidden = count === 0;
      const hidden = plan.routers.flatMap(({ router: name, fault }) =>
        fault ? [`${name}: ${fault.message}`] : [],
      );
      tell(count > 0 ? '' : 'Nothing would be unloaded.', hidden.join(' '));
      offer(count > 0 ? `Unload ${count === 1 ? '1 model' : `${count} models`}` : '');
    },
    async act(deed) {
      const when_busy = dialog.querySelector('[name=when-busy]:checked').value;
      const hold_seconds = Number($('hold').value);
      const begun = await call('POST', path, {
        ...{ ...body, when_busy, wait: false },
        ...(hold_seconds > 0 && { hold_seconds }),
      });
      for (const id of ['ask-busy', 'ask-hold']) $(id).hidden = true;
      $('ask-title').textContent = `Unload ${what}`;
      $('ask-close').textContent = 'Close';
      await watch(begun, deed);
    },
  };
}

async function watch(begun, deed) {
  let operation = begun;
  while (operation.outcome === null && deed === asked) {
    list(operation);
    tell('Under way. It goes on when you close this.');
    await new Promise((resolve) => setTimeout(resolve, PROGRESS_MS));
    operation = await call('GET', `/api/v1/operations/${operation.id}`);
  }
  if (deed !== asked) return;
  list(operation);
  const freed = operation.routers
    .filter(({ memory }) => memory)
    .map(({ router, memory }) => `Freed ${bytes(memory.freed_bytes)} on ${router}.`);
  const wrong = operation.routers.flatMap(({ router, fault, refused }) =>
    fault || refused ? [`${router}: ${fault?.message ?? refused.detail}.`] : [],
  );
  tell([endOf(operation), ...freed].join(' '), wrong.join(' '));
  refresh();
}

function endOf({ outcome, summary: { unloaded, busy, failed, kept } }) {
  if (outcome === 'noop') return 'Nothing was unloaded.';
  const counts = [
    [unloaded, 'unloaded'],
    [kept, 'kept'],
    [busy, 'still busy'],
    [failed, 'not unloaded'],
  ];
  const told = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return told.length === 0 ? '' : `Finished: ${told.join(', ')}.`;
}

function release(router) {
  return {
    title: `Release the hold on ${router}?`,
    async look() {
      tell('Anybody may load models again. Nothing is loaded or unloaded by this.');
      offer('Release');
    },
    async act() {
      await call('DELETE', `/api/v1/hold?router=${encodeURIComponent(router)}`);
      dialog.close();
      refresh();
    },
  };
}

function open(deed) {
  asked = deed;
  $('ask-title').textContent = deed.title;
  $('ask-close').textContent = 'Cancel';
  $('ask-models').replaceChildren();
  dialog.querySelector('[name=when-busy]').checked = true;
  $('hold').value = '0';
  for (const id of ['ask-busy', 'ask-hold', 'ask-token']) $(id).hidden = true;
  tell('Asking what would be unloaded…');
  offer('');
  dialog.showModal();
  step('look');
}

/** Does one step of what was asked; who may not, is asked for a token, and the step is done again with it. */
async function step(name) {
  const deed = asked;
  deed.step = name;
  deed.turn = (deed.turn ?? 0) + 1;
  offer('');
  try {
    await deed[name](deed);
  } catch (error) {
    if (deed !== asked) return;
    if (error.status === 401) return askToken();
    tell('', error.message);
  }
}

function askToken() {
  const had = sessionStorage.getItem(TOKEN) !== null;
  forget();
  tell('', had ? 'This token is wrong. Nothing was done.' : 'Whoever changes something needs a token.');
  $('ask-token').hidden = false;
  $('token').value = '';
  offer('Use this token');
  $('token').focus();
}

dialog.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault();
  if ($('ask-confirm').hidden) return;
  if ($('ask-token').hidden) return void step(asked.step === 'look' ? 'act' : asked.step);
  const token = $('token').value.trim();
  if (token === '') return $('token').focus();
  sessionStorage.setItem(TOKEN, token);
  $('token').value = '';
  $('ask-token').hidden = true;
  $('forget').hidden = false;
  tell('Asking…');
  $('ask-close').focus();
  step(asked.step);
});
$('ask-busy').addEventListener('change', () => step('look'));
$('ask-close').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
  asked = undefined;
  if (document.activeElement === document.body) main.focus({ preventScroll: true });
});

$('forget').addEventListener('click', () => {
  forget();
  main.focus({ preventScroll: true });
});
$('forget').hidden = sessionStorage.getItem(TOKEN) === null;

function forget() {
  sessionStorage.removeItem(TOKEN);
  $('forget').hidden = true;
}

/** Asks the interface. Answers its JSON, also that of an operation which failed; else throws what a person is told. */
async function call(method, path, body) {
  const token = sessionStorage.getItem(TOKEN);
  const answer = await fetch(path, {
    method,
    headers: {
      Accept: 'application/json',
      'X-Trigger': 'page',
      ...(body && { 'Content-Type': 'application/json' }),
      ...(token !== null && { Authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch((cause) => {
    throw new Error(
      'The exporter does not answer: nobody knows what came of it. Look at the last operations.',
      { cause },
    );
  });
  const value = await answer.json().catch(() => ({}));
  if (answer.ok || value.outcome !== undefined) return value;
  throw Object.assign(new Error(value.detail ?? value.title ?? `The exporter answers ${answer.status}.`), {
    status: answer.status,
  });
}

/** What the dialog says, and what is wrong. */
function tell(status, problem = '') {
  if ($('ask-status').textContent !== status) $('ask-status').textContent = status;
  $('ask-problem').textContent = problem;
  $('ask-problem').hidden = problem === '';
}

/** What can be confirmed now; nothing when empty. */
function offer(text) {
  // Whoever confirms by keyboard is not left nowhere.
  if (text === '' && document.activeElement === $('ask-confirm')) $('ask-close').focus();
  $('ask-confirm').textContent = text;
  $('ask-confirm').hidden = text === '';
}

function modelsOf({ routers }) {
  return routers.flatMap(({ router, models }) => models.map((model) => ({ router, detail: '', ...model })));
}

function list(operation) {
  const several = operation.routers.length > 1;
  const lines = modelsOf(operation).map(({ router, model, result, seconds, detail }) => {
    const line = document.createElement('li');
    const word = document.createElement('span');
    const name = document.createElement('b');
    word.className = `badge ${result ?? 'loading'}`;
    word.textContent = words[result ?? 'pending'];
    name.textContent = several ? `${model} on ${router}` : model;
    const more = document.createElement('span');
    const after = [seconds === undefined ? '' : `${seconds.toFixed(1)}s`, detail].filter(
      (part) => part !== '',
    );
    more.textContent = after.join('; ');
    line.append(word, ' ', name, ' ', more);
    return line;
  });
  const next = document.createElement('ul');
  next.id = 'ask-models';
  next.append(...lines);
  morph($('ask-models'), next);
}

function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}
