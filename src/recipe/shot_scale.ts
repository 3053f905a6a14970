/** What the shots score against each other, by the bank as it will run: the scale, who is odd, and the scores under region rules. */
import { type RegionRule, scoreRegions } from '../inspect/regions';
import { type BankSettings, distancesGraph, mapGraph, type TapBank } from './bank';
import { leaveOneOut, type Scale, selfSimilarity } from './calibrate';
import { type Standing, standings } from './outlier';
import type { Shot } from './taking';

/** Runs models that are never written to the disk: `name` is only what they go by. */
export interface ScratchRunner {
  open(name: string, model: Uint8Array): Promise<void>;
  run(name: string, tokens: readonly Float32Array[]): Promise<Record<string, Float32Array>>;
  close(name: string): Promise<void>;
}

export interface ShotScale {
  scale: Scale;
  /** One a shot; empty below three shots. */
  standings: Standing[];
}

/** Null where no scale can be made: the shots do not differ, or show nothing. `signal`: stops between two shots. */
export async function scaleOfShots(
  banks: readonly TapBank[],
  shots: readonly Shot[],
  { top }: Pick<BankSettings, 'top'>,
  bank: ScratchRunner,
  signal?: AbortSignal,
): Promise<ShotScale | null> {
  if (shots.length === 1) {
    const scale = selfSimilarity(banks, top);
    return scale === null ? null : { scale, standings: [] };
  }
  const [first] = banks;
  if (first === undefined) throw new Error('a bank without taps');
  const { rows, columns } = first.tap;
  const distances = await runEach('distances', distancesGraph(banks).toBuffer(), shots.length, bank, signal, (i) => {
    return shots[i]?.copies[0] ?? [];
  });
  const scale = leaveOneOut(distances, banks.length, rows * columns, top);
  if (scale === null) return null;
  const found = standings(
    shots.map(({ copies }) => copies[0] ?? []),
    banks.map(({ tap }) => tap.dim),
    scale.leaveOneOut,
    scale.patches.map((patches) => ({ patches, columns, top })),
  );
  return { scale, standings: found };
}

/** The shots' leave-one-out scores under region rules. */
export async function scoresByRegions(
  { patches }: Scale,
  rule: RegionRule,
  banks: readonly TapBank[],
  settings: BankSettings,
  bank: ScratchRunner,
): Promise<number[]> {
  const [first] = banks;
  if (first === undefined) throw new Error('a bank without taps');
  const model = mapGraph(first.tap, settings).toBuffer();
  const maps = await runEach('map', model, patches.length, bank, undefined, (i) => [patches[i] ?? new Float32Array(0)]);
  return maps.map((map) => scoreRegions(map, rule).score);
}

/** The one output of that name, for each of `count` inputs. */
async function runEach(
  name: 'distances' | 'map',
  model: Uint8Array,
  count: number,
  bank: ScratchRunner,
  signal: AbortSignal | undefined,
  input: (i: number) => readonly Float32Array[],
): Promise<Float32Array[]> {
  await bank.open(name, model);
  try {
    const found: Float32Array[] = [];
    for (let i = 0; i < count; i++) {
      signal?.throwIfAborted();
      const output = (await bank.run(name, input(i)))[name];
      if (output === undefined) throw new Error(`the model gave no ${name}`);
      found.push(output);
    }
    return found;
  } finally {
    await bank.close(name);
  }
}
