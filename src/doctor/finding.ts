/** How bad it is: `note` is worth knowing and needs nothing; `warn` works, but not fully; `fail` does not work. */
export type Mark = 'ok' | 'note' | 'warn' | 'fail';

/** What was looked at, in the order in which it is looked at. */
export type Check =
  | 'connection'
  | 'key'
  | 'router'
  | 'models'
  | 'limit'
  | 'metrics'
  | 'events'
  | 'identity'
  | 'state'
  | 'audit'
  | 'memory';

/** The stable word for what was found, for scripts; `fine` when there is nothing to tell. */
export type Cause =
  | 'fine'
  // connection
  | 'connection_refused'
  | 'unknown_host'
  | 'no_name_server'
  | 'no_route'
  | 'no_connection'
  | 'no_answer'
  | 'connection_closed'
  | 'not_http'
  | 'https_expected'
  | 'http_expected'
  | 'certificate'
  | 'network_error'
  // key
  | 'key_missing'
  | 'key_wrong'
  | 'proxy_password'
  | 'forbidden'
  // router
  | 'wrong_port'
  | 'redirect'
  | 'proxy_error'
  | 'server_error'
  | 'single_model'
  | 'no_router_build'
  | 'openai_only'
  | 'no_status'
  | 'no_role'
  | 'unknown_shape'
  // models, limit, metrics, events
  | 'no_models'
  | 'malformed_models'
  | 'unknown_status'
  | 'unlimited'
  | 'metrics_off'
  | 'metrics_untold'
  | 'metrics_unanswered'
  | 'no_event_stream'
  | 'event_stream_silent'
  | 'event_stream_error'
  // identity, state, audit
  | 'same_server'
  | 'state_not_kept'
  | 'state_unwritable'
  | 'state_unreadable'
  | 'state_damaged'
  | 'audit_not_kept'
  | 'audit_unwritable'
  // memory
  | 'no_gpu'
  | 'source_failed'
  | 'processes_hidden';

/** One thing that was looked at, what was found, and what to do, a sentence or two each. */
export interface Finding {
  check: Check;
  mark: Mark;
  cause: Cause;
  says: string;
  remedy: readonly string[];
}

/** All that was found about one router, or about ourselves. */
export interface Diagnosis {
  name: string;
  url?: string;
  findings: readonly Finding[];
}

export function fine(check: Check, says: string): Finding {
  return { check, mark: 'ok', cause: 'fine', says, remedy: [] };
}
