/** The rung `tensorrt-engine`, taken or refused, before the rest of the ladder: the engine is fetched or built while the worker idles. */
import type { Bundle } from '../bundle/manifest';
import { reason, VerdictdError } from '../errors';
import type { Entry } from './engine_cache';
import { engineRung } from './ladder';
import type { LoadArgs, Loaded } from './protocol';

/** Of an EngineCache, what is used here. */
export interface Engines {
  entry(bundle: Bundle, signal?: AbortSignal): Promise<Entry>;
  discard(entry: Entry, why: string): Promise<void>;
}

/** The worker, as far as it is asked here. */
export interface Asked {
  probe(): Promise<string | null>;
  loadEngine(args: LoadArgs): Promise<Loaded | { refused: string }>;
}

/**
 * Tries the rung. Returns what was loaded, or the arguments for the rest of the ladder with the reason of the refusal in them. An entry
 * from the cache that is refused where it is loaded is built again, once. Throws ABORTED, BUNDLE_REFUSED, RECIPE_REFUSED, and what the
 * worker's end throws.
 */
export async function tryEngine(
  worker: Asked,
  args: LoadArgs,
  engines: Engines,
  bundle: Bundle,
  signal?: AbortSignal,
): Promise<{ loaded: Loaded; args: LoadArgs } | { rest: LoadArgs }> {
  const refused = (why: string) => ({ rest: { ...args, refused: [...args.refused, { provider: engineRung, reason: why }] } });
  const unfit = await worker.probe();
  if (unfit !== null) return refused(unfit); // before minutes go into an engine that nothing here can run
  for (let attempt = 1; ; attempt++) {
    let entry: Entry;
    try {
      entry = await engines.entry(bundle, signal);
    } catch (thrown) {
      if (thrown instanceof VerdictdError && thrown.code === 'ABORTED') throw thrown;
      return refused(reason(thrown));
    }
    const withEngine: LoadArgs = { ...args, engine: entry.wrapper, providers: [engineRung, ...args.providers] };
    const answer = await worker.loadEngine(withEngine);
    if (!('refused' in answer)) return { loaded: answer, args: withEngine };
    await engines.discard(entry, answer.refused);
    if (entry.fresh || attempt === 2) return refused(answer.refused);
  }
}
