/**
 * The MQTT door to the command table: reads `cmd`, answers on `cmd/rsp` at completion. The same id, cmd and arg within 60 s is one
 * command: done once, answered each time (contract, topic `cmd`).
 */
import type { Code } from '../codes';
import type { Clock, Ms } from '../ports';
import { parseCommand } from './parse';
import { RateLimit } from './rate';
import { encodeCommandResponse } from './topics';

/** Carries out a command by its number; never rejects. */
export type RunCommand = (cmd: number, arg: string) => Promise<{ ok: 0 | 1; code: Code }>;

export interface CommandCounters {
  commands: number; // handed on
  repeated: number; // answered from memory
  badCommands: number; // unreadable: no answer, as there is no id to answer to
  retainedCommands: number; // ignored: a stored command is nobody's wish
  floodedCommands: number; // ignored
}

const remember: Ms = 60_000;
const perSecond = 10; // with `remember` the memory is 600 answers at the most

export class CommandDoor {
  readonly counters: CommandCounters = { commands: 0, repeated: 0, badCommands: 0, retainedCommands: 0, floodedCommands: 0 };
  private readonly rate = new RateLimit(perSecond);
  private readonly done = new Map<string, { at: Ms; answer: Promise<{ ok: 0 | 1; code: Code }> }>();

  constructor(
    private readonly run: RunCommand,
    private readonly clock: Clock,
    private readonly respond: (payload: string) => void,
  ) {}

  receive(payload: Buffer, retained: boolean): void {
    const now = this.clock.now();
    if (retained) {
      this.counters.retainedCommands++;
      return;
    }
    if (!this.rate.take(now)) {
      this.counters.floodedCommands++;
      return;
    }
    const command = parseCommand(payload);
    if (command === null) {
      this.counters.badCommands++;
      return;
    }
    const { id, cmd, arg } = command;
    this.forget(now - remember);
    const key = `${id} ${cmd} ${arg}`;
    let known = this.done.get(key);
    if (known === undefined) {
      this.counters.commands++;
      known = { at: now, answer: this.run(cmd, arg) };
      this.done.set(key, known);
    } else this.counters.repeated++;
    void known.answer.then((answer) => this.respond(encodeCommandResponse(id, cmd, answer)));
  }

  /** Oldest come first in a Map. */
  private forget(before: Ms): void {
    for (const [key, { at }] of this.done) {
      if (at >= before) break;
      this.done.delete(key);
    }
  }
}
