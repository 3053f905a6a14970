/** argv to command, signals, exit code. */
import { CommanderError } from 'commander';
import { ExitCode } from '../errors';
import { endWithin } from '../native';
import { commands } from './commands';
import { Context } from './context';
import { type Failure, failureOf, failureText } from './failure';
import { Io } from './io';
import { buildProgram, type Register, usageText } from './program';

/** After a command has ended, whatever still keeps the process alive gets this long, in ms. */
const linger = 2000;
/** And its own exit handlers, those of loaded libraries among them, this long, in ms. */
const exiting = 3000;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs one command line (without node and script) in this process, to its end. Sets the exit code of the process.
 * The first signal aborts the command, which ends in its own time; the second ends the process at once, as the signal would.
 */
export async function main(argv: readonly string[], registers: readonly Register[] = commands): Promise<void> {
  const abort = new AbortController();
  let aborted: string | null = null;
  const end = (why: string) => {
    aborted ??= why;
    abort.abort(new Error(`stopped by ${why}`));
  };
  let unread = false;
  let unwritten = false;
  const io = new Io(process.stdout, process.stderr, (why) => {
    if (why.code === 'EPIPE') {
      unread = true;
    } else {
      unwritten = true;
      process.exitCode = ExitCode.failed; // also where the command has returned meanwhile
      io.err(
        `verdictd: stdout cannot be written (${why.message}): its last lines are missing there. Free space, or write to another place`,
      );
    }
    end('the reader of stdout');
  });
  io.start();
  const context = new Context(io, abort.signal, process.env);

  const onSignal = (signal: NodeJS.Signals) => {
    if (aborted === null) {
      end(signal);
      return;
    }
    for (const one of signals) process.off(one, onSignal);
    process.kill(process.pid, signal);
  };
  for (const one of signals) process.on(one, onSignal);

  const report = (failure: Failure) => {
    for (const line of failureText(failure)) io.err(line);
    if (failure.stack !== null && context.verbose) io.err(failure.stack);
    if (io.json) io.outJson({ error: { code: failure.code, message: failure.message, details: failure.details } });
  };
  // A fault that nobody caught may have broken anything: say so and end, so that the supervisor starts afresh.
  const onFault = (thrown: unknown) => {
    const failure = failureOf(thrown, null);
    report(failure);
    endWithin(exiting, failure.exit);
    process.exit(failure.exit);
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);

  try {
    await buildProgram(context, registers).parseAsync([...argv], { from: 'user' });
    process.exitCode = unwritten ? ExitCode.failed : context.exitCode;
  } catch (thrown) {
    process.exitCode = ended(thrown, { unread, unwritten, aborted, report, json: argv.includes('--json') ? io : null });
  }
  endWithin(linger + exiting, Number(process.exitCode));
  // Not cleared: it does not keep the process alive, it only ends one that something else keeps.
  setTimeout(() => process.exit(), linger).unref();
}

interface Ending {
  unread: boolean; // nobody reads stdout any more
  unwritten: boolean; // stdout took no more; said already
  aborted: string | null;
  report: (failure: Failure) => void;
  json: Io | null; // where --json was asked for
}

/** The exit code after a command threw. */
function ended(thrown: unknown, { unread, unwritten, aborted, report, json }: Ending): ExitCode {
  if (thrown instanceof CommanderError) {
    // Commander has printed its text: help and version are no failures, anything else is wrong usage.
    if (thrown.exitCode === 0) return ExitCode.ok;
    json?.outJson({ error: { code: 'USAGE', message: usageText(thrown.message), details: [] } });
    return ExitCode.usage;
  }
  const failure = failureOf(thrown, aborted);
  // The reader has had enough, as in `| head`: that is no failure.
  if (unread && failure.code === 'ABORTED') return ExitCode.ok;
  if (unwritten && failure.code === 'ABORTED') return ExitCode.failed;
  report(failure);
  return failure.exit;
}
