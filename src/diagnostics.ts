import { writeSync } from 'node:fs';
import pino from 'pino';

/** Diagnostics: JSON lines on stderr, for journald and for grep. Decisions go to the log, not here. */
export type Diagnostics = pino.Logger;

export const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type Level = (typeof levels)[number];

/** A full disk or a closed terminal under stderr must not stop the station that speaks: what cannot be written is not said. */
const stderr = {
  write(line: string): void {
    try {
      writeSync(2, line);
    } catch {
      // there is nobody left to tell
    }
  },
};

/** `room` names who speaks. Secrets never come here; what might carry one is cut all the same. */
export function createDiagnostics(level: Level): Diagnostics {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ['password', '*.password', 'key', '*.key'] }, stderr);
}
