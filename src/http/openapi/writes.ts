import {
  body,
  content,
  ID,
  type Json,
  json,
  listOf,
  locationOf,
  NO_ROUTER,
  nextById,
  problemOf,
  query,
  RETRY_AFTER,
  read,
  ref,
  TOO_LARGE,
  waitUntil,
  write,
} from './parts.ts';

const reported = (description: string) => ({
  description,
  headers: locationOf('operation'),
  ...json(ref('Operation')),
  ...nextById('getOperation'),
});

const REPORTED = { '200': reported('Finished: see the report.'), '202': reported('In progress.') };
const tooBusy = (description: string) => ({
  description,
  headers: { ...RETRY_AFTER, ...locationOf('operation') },
  content: { ...json(ref('Operation')).content, ...problemOf('').content },
});

function unload(operationId: string, summary: string, requested: Json) {
  const answers = {
    ...REPORTED,
    '404': problemOf('No router or model has this name. Nothing was unloaded.'),
    '409': problemOf(
      'gpus or until_ratio needs GPU memory that is not measured, or there is no such GPU. Nothing was unloaded.',
    ),
    '502': reported('No model could be unloaded: see the report.'),
    '503': tooBusy('Too many other requests wait for the router, or too many passwords are being checked.'),
  };
  const description =
    'Unloads on all routers, and all models of a router, at the same time. A model counts as unloaded when the ' +
    'router has confirmed that it is gone. A request that a running operation already covers joins that ' +
    'operation. Operations continue when the client disconnects.';
  return { post: write('unload', operationId, summary, answers, { ...requested, description }) };
}

const LOAD = write(
  'load',
  'load',
  'Load the named models.',
  {
    ...REPORTED,
    '404': problemOf('No router or model has this name. Nothing was loaded.'),
    '409': problemOf('The server has no order to load a model (llama-swap). Nothing was loaded.'),
    '502': reported('No model could be loaded: see the report.'),
    '503': tooBusy(
      'The memory of the router is held, too many other requests wait for it, or too many passwords are being checked.',
    ),
  },
  {
    ...body('LoadRequest'),
    description:
      'Loads the models of a router one after the other. A model counts as loaded when the router has confirmed it. A ' +
      'full router evicts a model for it, which the report names; a busy model is never evicted. Operations continue ' +
      'when the client disconnects.',
  },
);

/** Read loosely: malformed alerts are left out, and the answer says so. */
const NOTIFICATION = {
  type: 'object',
  properties: {
    version: { enum: ['4', '1'], description: "Alertmanager's, or Grafana's." },
    alerts: { type: 'array', description: 'The first thousand are read; malformed alerts are left out.' },
  },
  required: ['version', 'alerts'],
  examples: [
    {
      version: '4',
      alerts: [
        { status: 'firing', labels: { alertname: 'GpuMemoryHigh', action: 'unload' }, annotations: {} },
      ],
    },
  ],
};

function webhook(operationId: string): Json {
  return { post: notification(operationId), put: notification(`${operationId}Put`) };
}

function notification(operationId: string): Json {
  const report = json(ref('AlertReport'));
  const summary =
    'Webhook for Alertmanager and Grafana: firing alerts that match alerts.matchers start an unload.';
  const answers = {
    '200': { description: 'Finished, nothing to do, or refused: see the reason.', ...report },
    '202': { description: 'In progress.', ...report },
    '503': problemOf('A router could not be reached or refused. Send the notification again.'),
    // Alertmanager would not send the notification again.
    '429': undefined,
  };
  return write('unload', operationId, summary, answers, {
    requestBody: { required: true, ...json(NOTIFICATION) },
  });
}

const aHold = (description: string) => ({ description, ...json(ref('Hold')) });
const NO_HOLD = { '404': problemOf('No hold has this id.') };
const THE_HOLD = { '200': aHold('The hold.'), ...NO_HOLD };

const UNLOAD_ALL = body('UnloadAllRequest', false);

export const WRITES = {
  '/api/v1/load': { post: LOAD },
  '/api/v1/unload': unload('unload', 'Unload the named models.', body('UnloadRequest')),
  '/api/v1/unload-all': unload('unloadAll', 'Unload all models in memory, or those that match.', UNLOAD_ALL),
  '/unload-all': unload('unloadAllAlias', 'Alias of /api/v1/unload-all.', UNLOAD_ALL),
  '/api/v1/alertmanager': webhook('alertmanager'),
  '/webhook/alertmanager': webhook('alertmanagerAlias'),
  '/webhook/grafana': webhook('grafana'),
  '/api/v1/usage': {
    post: write(
      'state',
      'reportUsage',
      'Report which model a client is about to request, so that reloads have a cause.',
      { '200': { description: 'Accepted and ignored reports.', ...json(ref('UsageAnswer')) } },
      body('UsageReports'),
    ),
  },
  '/api/v1/holds': {
    ...read('hold', 'listHolds', 'List the holds that stand.', listOf('holds', 'Hold'), {
      parameters: [query('router', { type: 'string', minLength: 1 }, 'The name of a router.')],
      responses: NO_ROUTER,
    }),
    post: write(
      'hold',
      'placeHold',
      'Free the memory of routers and keep it free.',
      {
        '201': {
          ...aHold('The hold: active, or preparing when that takes longer than the answer may.'),
          headers: locationOf('hold'),
          ...nextById('getHold', 'renewHold', 'releaseHold'),
        },
        ...NO_ROUTER,
        '409': problemOf(
          'need_bytes needs GPU memory that is not measured, or no GPU is so large; or restore needs a server that loads models on order. No hold was placed.',
        ),
        '502': aHold('The memory could not be freed: the hold has failed, and why.'),
      },
      body('HoldRequest'),
    ),
  },
  '/api/v1/holds/{id}': {
    ...read(
      'hold',
      'getHold',
      'A hold that stands, or one of the last hundred that ended.',
      json(ref('Hold')),
      { parameters: [ID, waitUntil('the hold is not preparing any more')], responses: NO_HOLD },
    ),
    patch: write(
      'hold',
      'renewHold',
      'Change the end of a hold.',
      { ...THE_HOLD, '409': problemOf('The hold does not stand any more.') },
      { ...body('HoldRenewal'), parameters: [ID] },
    ),
    delete: write(
      'hold',
      'releaseHold',
      'End a hold. Ends no other hold, and does nothing a second time.',
      THE_HOLD,
      { parameters: [ID] },
    ),
  },
  '/-/reload': {
    post: write('service', 'reload', 'Reload the configuration.', {
      '200': { description: 'Reloaded.', ...content('text/plain') },
      ...TOO_LARGE,
    }),
  },
};
