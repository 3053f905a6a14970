/**
 * The command table (contract, topic `cmd`): one table for every door, MQTT, the control socket and the review page. A door reads
 * its own form of a command and calls `Commands.run`; what a command does is a handler that a room gives.
 */
import { Code } from '../codes';
import { reason } from '../errors';

export interface CommandRow {
  /** Number on the wire. */
  cmd: number;
  /** What `arg` must look like, and how that is called when it does not. */
  arg: { form: RegExp; expected: string };
  /** Carried out at once, whatever other command is under way: what says how the line runs acts in the order it was said. */
  urgent?: true;
  /** A single job that still waits its turn is refused (202). */
  callsOff?: true;
  meaning: string;
}

const none = { form: /^$/, expected: 'no argument' };
const recipe = { form: /^0*[1-9]\d{0,4}$/, expected: 'the number of a recipe, 1 to 65535' };
const range = { form: /^\d{1,15}-\d{1,15}$/, expected: 'FROM-TO, numbers of the journal' };
const text = { form: /^[A-Za-z0-9_.:-]{0,64}$/, expected: 'at most 64 of A-Z, a-z, 0-9, _ . : -' };

export const commandTable = {
  automatic: { cmd: 1, arg: none, urgent: true, meaning: 'accept triggers: ends a halt' },
  prepareRecipe: { cmd: 2, arg: recipe, meaning: 'put the recipe of this number in force' },
  unprepareRecipe: { cmd: 3, arg: recipe, meaning: 'take the recipe of this number out of force' },
  singleJob: { cmd: 4, arg: none, meaning: 'one part without a trigger: seq 0, never a pass' },
  continuous: { cmd: 5, arg: none, urgent: true, meaning: 'parts without triggers until stop or abort: seq 0, never a pass' },
  halt: { cmd: 6, arg: none, urgent: true, callsOff: true, meaning: 'accept no triggers; open parts are finished, none of them as a pass' },
  reset: { cmd: 7, arg: none, urgent: true, meaning: 'the approach is empty: ends a halt and a mismatch of the hardware trigger (206)' },
  stop: { cmd: 8, arg: none, urgent: true, callsOff: true, meaning: 'end single or continuous execution after the part under way' },
  abort: { cmd: 9, arg: none, urgent: true, callsOff: true, meaning: 'end it now; open parts get ok 0, 202' },
  acknowledgeError: {
    cmd: 11,
    arg: none,
    urgent: true,
    meaning: 'a person has seen alarms and error; refused while the cause of an error lasts',
  },
  teachStart: { cmd: 20, arg: text, meaning: 'begin to teach' },
  teachCommit: { cmd: 21, arg: text, meaning: 'put what was taught in force' },
  teachAbort: { cmd: 22, arg: text, meaning: 'throw away what was taught' },
  masterStart: { cmd: 30, arg: text, meaning: 'begin a check with master parts' },
  masterEnd: { cmd: 31, arg: text, meaning: 'end the check with master parts' },
  clearStats: { cmd: 40, arg: none, urgent: true, meaning: 'count from zero' },
  replay: { cmd: 50, arg: range, meaning: 'send the journal from one number to another again, at most 10 000' },
} as const satisfies Record<string, CommandRow>;

export type CommandName = keyof typeof commandTable;

/** A command that was not carried out: a code of the contract for machines, a sentence for people. */
export class CommandRefused extends Error {
  constructor(
    readonly code: Exclude<Code, 0>,
    message: string,
  ) {
    super(message);
  }
}

/** Carries a command out; resolves when it is complete. Throws CommandRefused. `arg` has the form of the table. */
export type Handler = (arg: string) => void | Promise<void>;
export type Handlers = Partial<Record<CommandName, Handler>>;

export interface CommandAnswer {
  ok: 0 | 1;
  code: Code;
  /** '' where ok. */
  reason: string;
}

const byNumber = new Map<number, CommandName>(Object.entries(commandTable).map(([name, { cmd }]) => [cmd, name as CommandName]));

/** The name of a number of the wire, or null. */
export function commandOf(cmd: number): CommandName | null {
  return byNumber.get(cmd) ?? null;
}

/** One table of one station. Commands run one after another, in the order they came, whichever door they came by; urgent ones at once. */
export class Commands {
  private readonly handlers: Handlers = {};
  private last: Promise<unknown> = Promise.resolve();
  private calledOff = 0;

  /** A room takes commands over. Throws where another has one of them already. */
  handle(handlers: Handlers): void {
    for (const [name, handler] of Object.entries(handlers) as [CommandName, Handler][]) {
      if (this.handlers[name] !== undefined) throw new Error(`command ${name} has a handler already`);
      this.handlers[name] = handler;
    }
  }

  /** Carries one command out. Never rejects: a refusal is an answer. */
  run(name: CommandName, arg: string): Promise<CommandAnswer> {
    const row: CommandRow = commandTable[name];
    if (!row.arg.form.test(arg)) {
      const got = arg.length > 80 ? `${arg.slice(0, 80)}...` : arg;
      return Promise.resolve(no(Code.badPayload, `${name}: the argument is ${JSON.stringify(got)}; expected ${row.arg.expected}`));
    }
    const handler = this.handlers[name];
    if (handler === undefined) return Promise.resolve(no(Code.notReady, `${name} is not available on this station`));
    if (row.callsOff) this.calledOff++;
    if (row.urgent) return carryOut(name, handler, arg);
    const { calledOff } = this;
    const answer = this.last.then(() =>
      name === 'singleJob' && this.calledOff !== calledOff
        ? no(Code.notReady, 'singleJob: a halt, stop or abort came before its turn')
        : carryOut(name, handler, arg),
    );
    this.last = answer;
    return answer;
  }

  /** The same, by the number of the wire; one that is no command is refused with 205. */
  runNumber(cmd: number, arg: string): Promise<CommandAnswer> {
    const name = commandOf(cmd);
    return name === null ? Promise.resolve(no(Code.badPayload, `there is no command ${cmd}`)) : this.run(name, arg);
  }
}

async function carryOut(name: CommandName, handler: Handler, arg: string): Promise<CommandAnswer> {
  try {
    await handler(arg);
    return { ok: 1, code: Code.ok, reason: '' };
  } catch (thrown) {
    return no(thrown instanceof CommandRefused ? thrown.code : Code.notReady, `${name}: ${reason(thrown)}`);
  }
}

function no(code: Exclude<Code, 0>, why: string): CommandAnswer {
  return { ok: 0, code, reason: why };
}
