/**
 * The MQTT door to the command table: reads `cmd`, answers on `cmd/rsp` at completion. The same id, cmd and arg, while it is
 * under way and for 60 s after, is one command: done once, answered each time (contract, topic `cmd`).
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

/** From its answer on: one that takes longer must not be done twice for being asked for twice. */
const remember: Ms = 60_000;
const perSecond = 10; // with `remember` the memory is 600 answers, and what is under way

export class CommandDoor {
  readonly counters: CommandCounters = { commands: 0, repeated: 0, badCommands: 0, retainedCommands: 0, floodedCommands: 0 };
  private readonly rate = new RateLimit(perSecond);
  private readonly done = new Map<string, { answered: Ms | null; answer: Promise<{ ok: 0 | 1; code: Code }> }>();

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
      const begun = { answered: null as Ms | null, answer: this.run(cmd, arg) };
      known = begun;
      this.done.set(key, known);
      void begun.answer.then(() => {
        begun.answered = this.clock.now();
      });
    } else this.counters.repeated++;
    void known.answer.then((answer) => this.respond(encodeCommandResponse(id, cmd, answer)));
  }

  private forget(before: Ms): void {
    for (const [key, { answered }] of this.done) if (answered !== null && answered < before) this.done.delete(key);
  }
}
