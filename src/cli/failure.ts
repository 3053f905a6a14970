/** Anything a command throws, as text for people, as JSON, and as an exit code. */
import { type ErrorCode, ExitCode, errors, reason, VerdictdError } from '../errors';

export interface Failure {
  code: ErrorCode;
  message: string;
  details: readonly string[];
  exit: ExitCode;
  stack: string | null; // of faults of our own, for a report
}

/** `thrown` across a worker's boundary is a plain error whose `code` is one of the table. */
function codeOf(thrown: unknown): ErrorCode | null {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code in errors ? (code as ErrorCode) : null;
}

/** `aborted`: why the signal was given; what a command throws after it is a consequence. Null: it was not. */
export function failureOf(thrown: unknown, aborted: string | null): Failure {
  if (thrown instanceof VerdictdError && thrown.code !== 'ABORTED') {
    return { code: thrown.code, message: thrown.message, details: thrown.details, exit: thrown.exitCode, stack: null };
  }
  if (aborted !== null) {
    return { code: 'ABORTED', message: `stopped by ${aborted} before the work was done`, details: [], exit: ExitCode.failed, stack: null };
  }
  const code = codeOf(thrown);
  if (code !== null) return { code, message: reason(thrown), details: [], exit: errors[code].exit, stack: null };
  const stack = thrown instanceof Error ? (thrown.stack ?? null) : null;
  const message = `a fault of verdictd itself: ${reason(thrown)}. Please report it, with what --log-level debug adds`;
  return { code: 'INTERNAL', message, details: [], exit: ExitCode.failed, stack };
}

export function failureText(failure: Failure): string[] {
  return [`verdictd: ${failure.message} [${failure.code}]`, ...failure.details.map((detail) => `  - ${detail}`)];
}
