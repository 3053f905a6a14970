/**
 * The ladder of execution providers: tried from the top, each alone, each proven by a real inference. What refuses says why; what
 * runs is what is reported. onnxruntime itself would drop an unknown name with a console line and carry on with the rest, and
 * would put nodes it cannot place on the CPU: neither may happen here.
 */
import type { Bundle } from '../bundle/manifest';
import { reason, VerdictdError } from '../errors';

/** Names of onnxruntime. Never 'webgpu': its failing start leaves the process hanging at exit (onnxruntime-node 1.24.3). */
export const providers = ['tensorrt', 'cuda', 'cpu'] as const;
export type Provider = (typeof providers)[number];

/** The rung above `tensorrt`: the same provider, on an engine that was built ahead of time (see engine_cache.ts). */
export const engineRung = 'tensorrt-engine';
export type Rung = Provider | typeof engineRung;
const rungNames: readonly Rung[] = [engineRung, ...providers];

export function providerOf(rung: Rung): Provider {
  return rung === engineRung ? 'tensorrt' : rung;
}

/**
 * The rungs of `wanted` that this bundle can run on, and why the others not. Of an int8 bundle's operators (DynamicQuantizeLinear,
 * MatMulInteger) TensorRT 10.3 has neither and CUDA not all: minutes would go into an engine that cannot be.
 */
export function rungsFor({ manifest }: Bundle, wanted: readonly string[]): { offered: readonly string[]; refused: Refusal[] } {
  if (manifest.settings.precision !== 'int8') return { offered: wanted, refused: [] };
  const others = wanted.filter((name) => name !== 'cpu');
  const why = 'the bundle is int8, which runs on the CPU alone';
  return { offered: wanted.filter((name) => name === 'cpu'), refused: others.map((provider) => ({ provider, reason: why })) };
}

/** A rung that was not taken, and why. */
export interface Refusal {
  provider: string; // name of the rung
  reason: string;
}

/** The seam to onnxruntime; tests put their own here. */
export interface Rungs<S> {
  /** Names compiled into this build of onnxruntime. */
  supported: readonly string[];
  /** A session on exactly this rung's provider; throws if it cannot be had, or cannot take every node. */
  create(rung: Rung): Promise<S>;
  /** One real inference of the golden image; its score. */
  prove(session: S): Promise<number>;
  release(session: S): Promise<void>;
}

export interface Taken<S> {
  session: S;
  rung: Rung;
  provider: Provider; // of the rung
  golden: number; // the score the golden image got
  refusals: Refusal[]; // of the rungs above
}

/** No rung held. `refusals` has every one of them with its reason. */
export class NoRung extends Error {
  constructor(readonly refusals: readonly Refusal[]) {
    super(refusals.map((refusal) => `${refusal.provider}: ${refusal.reason}`).join('; '));
  }
}

/**
 * Takes the first provider of `wanted` that runs the model and gives the golden image its stored score.
 * Throws NoRung if none does, BUNDLE_REFUSED if the graph is not what the manifest says. A session that was refused is released before the next rung is tried.
 */
export async function climb<S>(
  wanted: readonly string[],
  golden: { score: number; tolerance: number },
  rungs: Rungs<S>,
): Promise<Taken<S>> {
  const refusals: Refusal[] = [];
  for (const name of new Set(wanted)) {
    const rung = rungNames.find((known) => known === name);
    if (rung === undefined) {
      refusals.push({ provider: name, reason: `not a provider that verdictd uses; expected ${providers.join(', ')}` });
      continue;
    }
    const provider = providerOf(rung);
    if (!rungs.supported.includes(provider)) {
      refusals.push({ provider: rung, reason: `not compiled into this onnxruntime (it has ${rungs.supported.join(', ') || 'none'})` });
      continue;
    }
    try {
      const { session, score } = await proven(rung, golden, rungs);
      return { session, rung, provider, golden: score, refusals };
    } catch (thrown) {
      // A bundle that is not what its manifest says is no better on another provider.
      if (thrown instanceof VerdictdError && thrown.code === 'BUNDLE_REFUSED') throw thrown;
      refusals.push({ provider: rung, reason: reason(thrown) });
    }
  }
  if (refusals.length === 0) refusals.push({ provider: '(none)', reason: 'the list of providers is empty' });
  throw new NoRung(refusals);
}

async function proven<S>(
  rung: Rung,
  golden: { score: number; tolerance: number },
  rungs: Rungs<S>,
): Promise<{ session: S; score: number }> {
  const session = await rungs.create(rung);
  try {
    const score = await rungs.prove(session);
    // Written so that NaN is refused.
    if (!(Math.abs(score - golden.score) <= golden.tolerance)) {
      throw new Error(`the golden image scored ${score}; expected ${golden.score} within ${golden.tolerance}`);
    }
    return { session, score };
  } catch (thrown) {
    await rungs.release(session).catch(() => undefined); // the reason for the refusal is the one to keep
    throw thrown;
  }
}
