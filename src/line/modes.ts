/** What the commands about the line's running do: halt, reset, single and continuous execution (OPC 40100-1, method names there). */
import { Code } from '../codes';
import type { Clock, Ms } from '../ports';
import { CommandRefused, type Handlers } from './commands';
import type { Line } from './line';
import type { Facts } from './states';

export interface ModesDeps {
  line: () => Pick<Line, 'halt' | 'reset' | 'shoot' | 'abort' | 'openParts'> | null;
  facts: Facts;
  /** Facts have changed. */
  changed: () => void;
  /** Why the station cannot inspect now; 0 when it can. */
  code: () => Code;
  clearStats: () => void;
  /** A person has seen the alarms. */
  acknowledge: () => void;
  clock: Clock;
}

/** From part to part in continuous execution, at the least: for people who watch a picture, and a log that is not flooded. */
const pace: Ms = 250;

/** The handlers of these commands, over one line and the facts of its state. */
export function modeHandlers(deps: ModesDeps): Handlers {
  const { facts, changed } = deps;
  let run = 0; // of continuous execution; a higher number ends it

  const line = (): NonNullable<ReturnType<ModesDeps['line']>> => {
    const now = deps.line();
    if (now === null) throw new CommandRefused(Code.notReady, 'the station is still starting');
    return now;
  };
  const halt = (on: boolean): void => {
    line().halt(on);
    facts.halted = on;
  };
  const finish = (): void => {
    run++;
    facts.execution = '';
  };
  const shoot = async (): Promise<void> => {
    const shot = line().shoot();
    if (typeof shot === 'number')
      throw new CommandRefused(shot === Code.ok ? Code.notReady : shot, 'no part can be taken without a trigger now');
    await shot;
  };
  /** Execution begins from Ready only: a trigger's part is never mixed with one that nobody asked for. */
  const execute = (execution: Facts['execution']): number => {
    const code = deps.code();
    if (code !== Code.ok) throw new CommandRefused(code, 'the station is not Ready');
    if (line().openParts > 0) throw new CommandRefused(Code.busy, 'parts are under way');
    facts.execution = execution;
    changed();
    return ++run;
  };
  const wait = (ms: Ms): Promise<void> => new Promise((resolve) => deps.clock.at(deps.clock.now() + ms, resolve));
  const go = async (mine: number): Promise<void> => {
    try {
      // Between its parts the code is 202; another says that there is nothing to take a part with.
      while (run === mine && (deps.code() === Code.ok || deps.code() === Code.notReady)) {
        await shoot();
        if (run === mine) await wait(pace);
      }
    } catch {
      // the camera or the recipe is gone: the state says which, and execution has ended
    }
    if (run !== mine) return;
    finish();
    changed();
  };

  return {
    automatic: () => {
      finish();
      halt(false);
      changed();
    },
    halt: () => {
      finish();
      halt(true);
      changed();
    },
    reset: () => {
      line().reset();
      facts.mismatch = false;
      finish();
      halt(false);
      changed();
    },
    stop: () => {
      finish();
      changed();
    },
    abort: () => {
      line().abort();
      finish();
      changed();
    },
    singleJob: async () => {
      const mine = execute('SingleExecution');
      try {
        await shoot();
      } finally {
        if (run === mine) finish();
        changed();
      }
    },
    continuous: () => {
      void go(execute('ContinuousExecution'));
    },
    acknowledgeError: () => {
      deps.acknowledge();
      changed();
      const code = deps.code();
      if (code !== Code.ok && !facts.freeRun) throw new CommandRefused(code, 'the cause is still there');
    },
    clearStats: () => deps.clearStats(),
  };
}
