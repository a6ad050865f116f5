/** Why somebody asks for a model, as whoever passes the request on reports it. */
export const REPORTED_CAUSES = ['chat', 'task', 'api'] as const;

export type ReportedCause = (typeof REPORTED_CAUSES)[number];

/** `unknown`: nobody has reported it. */
export const CAUSES = [...REPORTED_CAUSES, 'unknown'] as const;

export type Cause = (typeof CAUSES)[number];

/**
 * What Open WebUI does in the background beside a chat, as `metadata.task` names it (its constants.py, 0.12); any other is
 * counted as `other`.
 */
export const TASKS = [
  'title_generation',
  'tags_generation',
  'follow_up_generation',
  'query_generation',
  'image_prompt_generation',
  'autocomplete_generation',
  'emoji_generation',
  'function_calling',
  'moa_response_generation',
] as const;

export type Task = (typeof TASKS)[number] | 'other';
