import { Code } from '../codes';
import { VerdictdError } from '../errors';
import { CommandRefused, Commands } from '../line/commands';
import { type ModesDeps, modeHandlers } from '../line/modes';
import { replayMax } from '../plc/replay';
import { recipeId } from '../recipe/recipe';
import { listRecipes } from '../recipe/store';
import { codeOf } from './alarms';
import type { Judging } from './judging';
import type { Lesson } from './teaching';

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

/** What commands write into the audit as who did it: the topic's only writer. */
const actor = 'command';

/** Recipes, teaching and master parts by command; see commandTable. */
export function recipeCommands(commands: Commands, judging: Judging, dataDir: string, defaults: { shots: number; heldOut: number }): void {
  const told = async (act: () => Promise<unknown>): Promise<void> => {
    try {
      await act();
    } catch (thrown) {
      if (!(thrown instanceof VerdictdError)) throw thrown;
      throw new CommandRefused(codeOf(thrown), thrown.message);
    }
  };
  commands.handle({
    prepareRecipe: (arg) => told(() => judging.opened.activateNumber(Number(arg), actor)),
    unprepareRecipe: (arg) => told(() => judging.opened.retire(Number(arg), actor)),
    teachStart: (arg) => told(async () => judging.teachStart(await lessonOf(arg, dataDir, defaults))),
    teachCommit: () => told(() => judging.teachCommit(actor)),
    teachAbort: () => told(() => judging.teachAbort()),
    masterStart: () => told(() => judging.master.start()),
    masterEnd: async () => {
      await told(async () => {
        const { ok, reasons } = await judging.master.end();
        if (!ok) throw new CommandRefused(Code.masterDue, reasons.join('; '));
      });
    },
  });
}

/** `RECIPE[:SHOTS[:HELDOUT]]`; digits alone are the number of a recipe there is, else its id. Throws CommandRefused 205. */
async function lessonOf(arg: string, dataDir: string, defaults: { shots: number; heldOut: number }): Promise<Lesson> {
  const [name = '', shots = String(defaults.shots), heldOut = String(defaults.heldOut), more] = arg.split(':');
  const numbered = /^\d+$/.test(name) ? (await listRecipes(dataDir)).find(({ file }) => file?.number === Number(name)) : undefined;
  const recipe = numbered?.id ?? name;
  if (!recipeId.safeParse(recipe).success || !/^\d{1,3}$/.test(shots) || !/^\d{1,3}$/.test(heldOut) || more !== undefined) {
    throw new CommandRefused(Code.badPayload, `expected RECIPE[:SHOTS[:HELDOUT]], its number or its id; got ${arg}`);
  }
  return { recipe, shots: Number(shots), heldOut: Number(heldOut) };
}
