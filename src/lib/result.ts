/** An expected outcome as a value: the result, or why there is none. */
export type Result<Value, Failure> = { ok: true; value: Value } | { ok: false; fault: Failure };

export function ok<Value>(value: Value): { ok: true; value: Value } {
  return { ok: true, value };
}

export function failed<Failure>(fault: Failure): { ok: false; fault: Failure } {
  return { ok: false, fault };
}
