import { Code } from '../codes';
import { CommandRefused, Commands } from '../line/commands';
import { type ModesDeps, modeHandlers } from '../line/modes';
import { replayMax } from '../plc/replay';

/** The station's command table with what line and link can do; other rooms add theirs with `handle`. */
export function stationCommands(deps: ModesDeps & { replay: (from: number, to: number) => Promise<unknown> }): Commands {
  const commands = new Commands();
  commands.handle(modeHandlers(deps));
  commands.handle({
    replay: async (arg) => {
      const [from = 0, to = 0] = arg.split('-').map(Number);
      if (from < 1 || to < from || to - from >= replayMax) {
        throw new CommandRefused(Code.badPayload, `expected FROM-TO with 1 <= FROM <= TO, at most ${replayMax} entries; got ${arg}`);
      }
      await deps.replay(from, to);
    },
  });
  return commands;
}
