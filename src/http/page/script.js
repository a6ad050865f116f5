// Runs in the browser: keeps the page up to date and confirms actions in a dialog.

/** Events within this time lead to one refresh. The exporter reuses a page for 250 ms: it must be longer than that. */
const SOON_MS = 300;
/** Memory, activity and progress change without events: the page is refreshed this often, more often while busy. */
const REFRESH_MS = 5000;
const BUSY_REFRESH_MS = 1000;
const PROGRESS_MS = 300;
/** Each page waits so much longer than others: after an event, not all ask at the same moment. */
const LAG_MS = Math.random() * 200;
const TIMEOUT_MS = 15_000;
const RECONNECT_MS = 10_000;
const TOKEN = 'llama-router-exporter token';

const $ = (id) => document.getElementById(id);
const main = document.querySelector('main');
const dialog = $('ask');
const words = JSON.parse(dialog.dataset.words);

document.documentElement.classList.add('live');

// ── Refreshing

let stream;
let timer;
let fetching = false;
/** Whether something may have changed since the last request for the page. */
let changed = false;
/** When the first event since that request arrived, if one did. */
let changedAt;
/** Of the page as shown. */
let etag = '';

/** Fetches the page and updates what changed, keeping focus, selection and scroll position. */
async function refresh() {
  clearTimeout(timer);
  if (fetching) {
    changed = true;
    return;
  }
  fetching = true;
  changed = false;
  changedAt = undefined;
  try {
    const answer = await fetch(location.pathname + location.search, {
      headers: { 'If-None-Match': etag },
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.status !== 304) await show(answer);
    say(stream?.readyState === EventSource.OPEN ? 'live' : 'every few seconds', 'up');
  } catch {
    const at = new Date().toLocaleTimeString();
    if (!$('live').classList.contains('down')) say(`no answer from the exporter since ${at}`, 'down');
  } finally {
    fetching = false;
  }
  const busy =
    main.querySelector('.badge.loading, .badge.unloading, .badge.downloading, [data-running]') !== null;
  later(changed ? SOON_MS : busy ? BUSY_REFRESH_MS : REFRESH_MS);
}

async function show(answer) {
  // Its router is gone.
  if (answer.status === 404 && location.search !== '' && !dialog.open) return location.replace('/');
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
  if (next === null) throw new Error('not this page');
  // Another version may have another script.
  if (next.dataset.version !== main.dataset.version && !dialog.open) return location.reload();
  etag = answer.headers.get('ETag') ?? '';
  const focused = document.activeElement;
  morph(main, next);
  if (document.activeElement === focused) return;
  // The focused row moved or is gone.
  (focused?.isConnected ? focused : main).focus({ preventScroll: true });
}

function later(ms) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, ms + LAG_MS);
}

/** After an event or an action. Events that never pause do not put the refresh off for longer than while busy. */
function refreshSoon() {
  changed = true;
  const now = performance.now();
  changedAt ??= now;
  later(Math.min(SOON_MS, changedAt + BUSY_REFRESH_MS - now));
}

function say(text, look) {
  if ($('live').textContent !== text) $('live').textContent = text;
  $('live').className = `badge ${look}`;
}

/** Makes one element like another and keeps every element that stays. */
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
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function keyOf(node) {
  return node instanceof Element ? (node.getAttribute('data-key') ?? undefined) : undefined;
}

function isAlike(one, other) {
  return one !== null && one.nodeName === other.nodeName && keyOf(one) === undefined;
}

/** Listens to events while the page is visible. */
function follow() {
  stream?.close();
  clearTimeout(timer);
  if (document.hidden) return;
  stream = new EventSource('/api/v1/events');
  stream.onopen = refreshSoon;
  stream.onmessage = refreshSoon;
  stream.onerror = () => {
    const refused = stream.readyState === EventSource.CLOSED;
    if (refused) setTimeout(() => stream.readyState === EventSource.CLOSED && follow(), RECONNECT_MS);
    refresh();
  };
}

document.addEventListener('visibilitychange', follow);
follow();
refresh();

// ── Actions

/**
 * The action in the dialog: `preview` shows what it would do, `run` does it. Undefined while the dialog is closed:
 * answers that arrive later are dropped.
 */
let current;

document.addEventListener('click', ({ target }) => {
  const button = target.closest?.('button[data-act]');
  if (!button) return;
  const { act } = button.dataset;
  open(ACTIONS[act](button.dataset, button.ariaLabel));
});

const ACTIONS = { release, load, unload, 'unload-all': unload };

function unload({ router, model }) {
  const path = model === undefined ? '/api/v1/unload-all' : '/api/v1/unload';
  const what = model === undefined ? 'all models' : model;
  const body = {
    ...(router !== undefined && { routers: [router] }),
    ...(model !== undefined && { models: [model] }),
  };
  const whenBusy = () => dialog.querySelector('[name=when-busy]:checked').value;
  return {
    title: `Unload ${what}${router === undefined ? ' on every router' : ` of ${router}`}?`,
    async preview(action) {
      const { attempt } = action;
      const plan = await call('POST', path, { ...body, when_busy: whenBusy(), dry_run: true });
      // The choice for busy models may have changed meanwhile.
      if (action !== current || action.attempt !== attempt) return;
      list(plan);
      const models = modelsOf(plan);
      const count = models.filter(({ result }) => result === 'would_unload').length;
      if (models.some(({ detail }) => /generating|loading/.test(detail))) $('ask-busy').hidden = false;
      $('ask-hold').hidden = count === 0;
      tell(count > 0 ? '' : 'Nothing would be unloaded.', problemsOf(plan));
      offer(count > 0 ? `Unload ${count === 1 ? '1 model' : `${count} models`}` : '');
    },
    async run(action) {
      const hold_seconds = Number($('hold').value);
      const started = await call('POST', path, {
        ...{ ...body, when_busy: whenBusy(), wait: false },
        ...(hold_seconds > 0 && { hold_seconds }),
      });
      for (const id of ['ask-busy', 'ask-hold']) $(id).hidden = true;
      $('ask-title').textContent = `Unload ${what}`;
      $('ask-close').textContent = 'Close';
      await watch(started, action);
    },
  };
}

function load({ router, model }) {
  const body = { routers: [router], models: [model] };
  return {
    title: `Load ${model} on ${router}?`,
    async preview(action) {
      const plan = await call('POST', '/api/v1/load', { ...body, dry_run: true });
      if (action !== current) return;
      list(plan);
      const can = !problemsOf(plan) && modelsOf(plan).some(({ result }) => result === 'would_load');
      tell(can ? '' : 'Nothing would be loaded.', problemsOf(plan));
      offer(can ? 'Load' : '');
    },
    async run(action) {
      const started = await call('POST', '/api/v1/load', { ...body, wait: false });
      $('ask-title').textContent = `Load ${model}`;
      $('ask-close').textContent = 'Close';
      await watch(started, action);
    },
  };
}

async function watch(started, action) {
  let operation = started;
  while (operation.outcome === null && action === current) {
    list(operation);
    tell('In progress. It continues when you close this dialog.');
    await new Promise((resolve) => setTimeout(resolve, PROGRESS_MS));
    operation = await call('GET', `/api/v1/operations/${operation.id}`);
  }
  if (action !== current) return;
  list(operation);
  const freed = operation.routers
    .filter(({ memory }) => memory)
    .map(({ router, memory }) => `Freed ${bytes(memory.freed_bytes)} on ${router}.`);
  tell([endOf(operation), ...freed].join(' '), problemsOf(operation));
  refreshSoon();
}

function problemsOf({ routers }) {
  return routers
    .filter(({ fault, refused }) => fault || refused)
    .map(({ router, fault, refused }) => `${router}: ${fault?.message ?? refused.detail}.`)
    .join(' ');
}

function endOf({ action, outcome, summary: { unloaded, busy, failed, kept, loaded } }) {
  if (outcome === 'noop') return `Nothing was ${action}ed.`;
  const counts = [
    [loaded, 'loaded'],
    [unloaded, 'unloaded'],
    [kept, 'kept'],
    [busy, 'still busy'],
    [failed, `not ${action}ed`],
  ];
  const parts = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return parts.length === 0 ? '' : `Finished: ${parts.join(', ')}.`;
}

function release({ hold }, name) {
  return {
    title: `${name}?`,
    async preview() {
      tell('Unless another hold stands, clients may load models again.');
      offer('Release');
    },
    async run() {
      await call('DELETE', `/api/v1/holds/${hold}`);
      dialog.close();
      refreshSoon();
    },
  };
}

function open(action) {
  current = action;
  $('ask-title').textContent = action.title;
  $('ask-close').textContent = 'Cancel';
  $('ask-models').replaceChildren();
  dialog.querySelector('form').reset();
  for (const id of ['ask-busy', 'ask-hold', 'ask-token']) $(id).hidden = true;
  tell('Checking…');
  dialog.showModal();
  step('preview');
}

/** Takes one step of the action; when a token is needed, asks for it and repeats the step. */
async function step(name) {
  const action = current;
  action.step = name;
  action.attempt = (action.attempt ?? 0) + 1;
  offer('');
  try {
    await action[name](action);
  } catch (error) {
    if (action !== current) return;
    if (error.status === 401) return askToken();
    tell('', error.message);
  }
}

function askToken() {
  const had = sessionStorage.getItem(TOKEN) !== null;
  forget();
  tell('', had ? 'This token is wrong. Nothing was changed.' : 'Changes need a token.');
  $('ask-token').hidden = false;
  $('token').value = '';
  offer('Use this token');
  $('token').focus();
}

dialog.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault();
  if ($('ask-confirm').hidden) return;
  if ($('ask-token').hidden) return void step(current.step === 'preview' ? 'run' : current.step);
  const token = $('token').value.trim();
  if (token === '') return $('token').focus();
  sessionStorage.setItem(TOKEN, token);
  $('token').value = '';
  $('ask-token').hidden = true;
  $('forget').hidden = false;
  tell('Checking…');
  $('ask-close').focus();
  step(current.step);
});
$('ask-busy').addEventListener('change', () => step('preview'));
$('ask-close').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
  current = undefined;
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

/** Calls the API. Returns its JSON, also of a failed operation; otherwise throws an error for the user. */
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
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause) => {
    throw new Error('No answer from the exporter. The last operations show what was done.', { cause });
  });
  const value = await answer.json().catch(() => ({}));
  if (answer.ok || value.outcome !== undefined) return value;
  throw Object.assign(new Error(value.detail ?? value.title ?? `The exporter answered ${answer.status}.`), {
    status: answer.status,
  });
}

function tell(status, problem = '') {
  if ($('ask-status').textContent !== status) $('ask-status').textContent = status;
  $('ask-problem').textContent = problem;
  $('ask-problem').hidden = problem === '';
}

/** Sets the text of the confirm button, or hides it. */
function offer(text) {
  // Hiding the focused button would lose the focus.
  if (text === '' && document.activeElement === $('ask-confirm')) $('ask-close').focus();
  $('ask-confirm').textContent = text;
  $('ask-confirm').hidden = text === '';
}

function modelsOf({ routers }) {
  return routers.flatMap(({ router, models }) => models.map((model) => ({ router, detail: '', ...model })));
}

function list(operation) {
  const several = operation.routers.length > 1;
  const next = document.createElement('ul');
  next.id = 'ask-models';
  for (const { router, model, result, seconds, detail } of modelsOf(operation)) {
    const time = seconds === undefined ? '' : `${seconds.toFixed(1)}s`;
    const more = [time, detail].filter((part) => part !== '').join('; ');
    const item = document.createElement('li');
    const badge = make('span', words[result ?? 'pending'], `badge ${result ?? 'loading'}`);
    item.append(badge, ' ', make('b', several ? `${model} on ${router}` : model), ' ', make('span', more));
    next.append(item);
  }
  morph($('ask-models'), next);
}

function make(tag, textContent, className = '') {
  return Object.assign(document.createElement(tag), { textContent, className });
}

function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}
