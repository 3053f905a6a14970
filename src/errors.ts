/**
 * Every error a user can meet, in one table: what the process exits with, and what the text must end with.
 * An error says what happened, where, what was expected and what to do.
 */

import type { Code } from './codes';

/** Exit codes of every command (documented in docs/cli.md, which is generated from here). */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  restart: 75, // EX_TEMPFAIL of sysexits.h: camera or driver wants a fresh process
  config: 78, // EX_CONFIG of sysexits.h: systemd must not restart on it (RestartPreventExitStatus)
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

interface Row {
  exit: ExitCode;
  /** When it is met, for the docs. */
  when: string;
}

export const errors = {
  CONFIG_INVALID: { exit: 78, when: 'the configuration has an unknown key, a wrong value or an impossible combination' },
  CONFIG_UNREADABLE: { exit: 78, when: 'the configuration file is missing or is not YAML' },
  USAGE: { exit: 2, when: 'a command was called with wrong arguments' },
  DATA_DIR_BUSY: { exit: 1, when: 'another verdictd works on the same data directory' },
  DATA_DIR_UNUSABLE: { exit: 1, when: 'the data directory cannot be made or written' },
  IMAGE_UNREADABLE: { exit: 1, when: 'an image is missing, corrupt, empty, truncated or of a kind that is not judged' },
  IMAGE_FOLDER_EMPTY: { exit: 1, when: 'a folder holds no image, or cannot be read' },
  BUNDLE_REFUSED: { exit: 1, when: 'a bundle is incomplete, altered or not what its manifest says' },
  BUNDLE_MISSING: { exit: 1, when: 'there is no bundle at that place' },
  CHECKPOINT_REFUSED: { exit: 1, when: 'a weights or vocabulary file is damaged, hostile or does not fit' },
  RECIPE_MISSING: { exit: 1, when: 'no recipe of that id' },
  RECIPE_REFUSED: { exit: 1, when: 'a recipe is incomplete, altered or was made for another bundle' },
  TEACH_REFUSED: { exit: 1, when: 'the good parts shown cannot make a recipe' },
  DATASET_REFUSED: { exit: 1, when: 'a set of labelled pictures is empty, contradictory, or not what its hash lists say' },
  PROVIDER_UNAVAILABLE: { exit: 1, when: 'no execution provider of the ladder could run the bundle' },
  INFERENCE_FAILED: { exit: 1, when: 'the model threw, gave NaN, or its worker died' },
  LABEL_REFUSED: { exit: 1, when: 'a human judgement names a part that is not in the log' },
  LOG_UNAVAILABLE: { exit: 1, when: 'the log cannot be opened, written or trusted' },
  LOG_REMOVED: { exit: 1, when: 'log.db was removed or replaced while the station ran: it ends, and begins anew from what is there' },
  LOG_ALTERED: { exit: 1, when: '`log verify` found a row altered, removed, inserted or out of order' },
  BACKUP_FAILED: { exit: 1, when: 'a backup could not be made' },
  BACKUP_REFUSED: { exit: 1, when: 'a backup is incomplete or altered, or the data directory to restore into is in use' },
  BROKER_PORT_TAKEN: { exit: 1, when: 'the embedded broker cannot listen on its port' },
  BROKER_DOWN: { exit: 1, when: 'the MQTT broker cannot be reached (the station keeps trying; only one-shot commands end)' },
  CONTROL_FAILED: { exit: 1, when: 'the running station cannot be asked over its control socket, or did not answer' },
  CAMERA_FAILED: { exit: 75, when: 'the camera or its driver failed beyond what a restart of the stream mends' },
  CAMERA_CONFIG: { exit: 78, when: 'the camera refuses a setting that the configuration asks for' },
  NATIVE_MISSING: { exit: 1, when: 'the native addon is not built for this machine' },
  ABORTED: { exit: 1, when: 'stopped by a signal before the work was done' },
  INTERNAL: { exit: 1, when: 'a fault of verdictd itself' },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errors;

/** An error with a row in the table. `message` is one or two sentences ending in what to do. */
export class VerdictdError extends Error {
  override readonly name = 'VerdictdError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown; details?: readonly string[] },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.details = options?.details ?? [];
  }
  /** One line a separate finding (configuration mistakes, refused providers ...). */
  readonly details: readonly string[];
  get exitCode(): ExitCode {
    return errors[this.code].exit;
  }
}

/** A real camera's failure. It is started again, but not for ever: a driver that is stuck is only left behind by a fresh process. */
export class CameraError extends VerdictdError {
  constructor(
    code: 'CAMERA_FAILED' | 'CAMERA_CONFIG',
    message: string,
    /** ms of failing in a row after which starting the stream again is given up; 0: at once. */
    readonly giveUpAfter: number,
    options?: { cause?: unknown; details?: readonly string[] },
  ) {
    super(code, message, options);
  }
}

/** The text of anything thrown, for a sentence of ours. */
export function reason(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** An error that knows what the part's verdict must say. `wire` is a code of the contract (4xx). */
export class InspectionError extends VerdictdError {
  constructor(
    readonly wire: Code,
    message: string,
    options?: { cause?: unknown },
  ) {
    super('INFERENCE_FAILED', message, options);
  }
}
