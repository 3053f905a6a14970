/**
 * The inference worker: the only owner of onnxruntime sessions. One model, one bank, one call at a time, in order. A load that fails
 * leaves what ran before; sessions are released only after their successors stand.
 */
import { monotonicMs } from '../clock';
import { reason, VerdictdError } from '../errors';
import { openRing, type Ring } from '../native';
import { Moved, serve } from '../threads';
import { Bank, inspectTensor, Model } from './chain';
import { climb, engineRung, NoRung, type Provider, providerOf, type Refusal, type Taken } from './ladder';
import { env, listSupportedBackends } from './onnxruntime';
import type { Beside, BesideArgs, Embedding, LoadArgs, Loaded, RunArgs, RunResult, Source } from './protocol';
import { NothingLeft, prepareRegions, type RegionRule, type RegionRules } from './regions';
import { loads, openSession } from './session';
import { type Hashed, readVerified } from './verified';

// What fails is thrown, and logged by whoever catches it; onnxruntime's own coloured lines would break the diagnostics' JSON.
env.logLevel = 'fatal';

/** What a part is judged with, behind the model. */
interface Judging {
  bank: Bank | null;
  regions: RegionRule | null;
}

interface Running extends Judging {
  job: number;
  key: string; // of the model: the same key is the same session
  model: Taken<Model>;
  /** Banks of other recipes for the same model, by the number of their load. */
  beside: Map<number, Judging & { bank: Bank }>;
}

let running: Running | null = null;
/** The camera's ring; only the last one seen, since memory of a retired ring stays for as long as a thread looks at it. */
let ring: Ring | null = null;

async function openModel(args: LoadArgs): Promise<Taken<Model>> {
  const { model, golden, providers, threads, engine, refused } = args;
  const bytes = await readVerified(model.file).catch((thrown: unknown) => {
    throw new VerdictdError('BUNDLE_REFUSED', `${reason(thrown)}. Copy the bundle again, or build it.`, { cause: thrown });
  });
  try {
    const taken = await climb<Model>(providers, model.golden, {
      supported: supported(),
      create: async (rung) => {
        if (rung === engineRung && engine === null) throw new Error('there is no engine');
        const session = await openSession(rung === engineRung && engine !== null ? engine : bytes, providerOf(rung), threads);
        try {
          return Model.of(session, model);
        } catch (thrown) {
          await session.release();
          throw thrown;
        }
      },
      prove: (session) => session.prove(golden),
      release: (session) => session.release(),
    });
    return { ...taken, refusals: [...refused, ...taken.refusals] };
  } catch (thrown) {
    throw thrown instanceof NoRung ? new NoRung([...refused, ...thrown.refusals]) : thrown;
  }
}

/** Names compiled into this build of onnxruntime. */
function supported(): string[] {
  return listSupportedBackends().map((backend) => backend.name);
}

/**
 * The bank goes where the model runs (CUDA also behind TensorRT, which would have to build an engine at each teach), if it gives
 * the golden image what the CPU gives; else it stays on the CPU, and the reason is told.
 */
async function openBank(
  file: Hashed,
  args: Pick<LoadArgs, 'golden' | 'threads'>,
  { session: model, provider }: Taken<Model>,
): Promise<{ bank: Bank; provider: Provider; refusals: Refusal[] }> {
  const { path } = file;
  const bytes = await readVerified(file).catch((thrown: unknown) => {
    throw new VerdictdError('RECIPE_REFUSED', `${reason(thrown)}. Teach the recipe again.`, { cause: thrown });
  });
  const create = async (on: Provider) => {
    const session = await openSession(bytes, on, args.threads).catch((thrown: unknown) => {
      if (on !== 'cpu') throw thrown;
      throw new VerdictdError('RECIPE_REFUSED', `${path} does not load (${String(thrown)}). Teach the recipe again.`);
    });
    try {
      return Bank.of(session, path, model.outputs);
    } catch (thrown) {
      await session.release();
      throw thrown;
    }
  };
  const bank = await create('cpu');
  try {
    await model.run(args.golden, bank.inputs);
    const score = await bank.run(model);
    bank.takeMap(false);
    if (provider === 'cpu') return { bank, provider, refusals: [] };
    const taken = await climb<Bank>(
      ['cuda'],
      { score, tolerance: Math.max(1e-3, Math.abs(score) * 0.01) },
      {
        supported: supported(),
        create: (rung) => create(providerOf(rung)),
        prove: async (candidate) => {
          const found = await candidate.run(model);
          candidate.takeMap(false);
          return found;
        },
        release: (candidate) => candidate.release(),
      },
    ).catch((thrown: unknown) => {
      if (thrown instanceof NoRung) return thrown;
      throw thrown;
    });
    if (taken instanceof NoRung) return { bank, provider: 'cpu', refusals: [...taken.refusals] };
    await bank.release();
    return { bank: taken.session, provider: taken.provider, refusals: taken.refusals };
  } catch (thrown) {
    await bank.release().catch(() => undefined);
    throw thrown;
  }
}

function ruleFor(rules: RegionRules, map: { width: number; height: number }): RegionRule {
  try {
    return prepareRegions(rules, map.width, map.height);
  } catch (thrown) {
    if (!(thrown instanceof NothingLeft)) throw thrown;
    throw new VerdictdError('RECIPE_REFUSED', `${thrown.message}. Change the recipe's region rules.`, { cause: thrown });
  }
}

async function load(args: LoadArgs): Promise<Loaded> {
  const began = monotonicMs();
  const before = running;
  const key = JSON.stringify([args.model, args.threads]);
  // Kept as well where it was reached with other rungs on offer, if it is one of these.
  const kept = before !== null && before.key === key && args.providers.includes(before.model.rung) ? before.model : null;
  const model = kept ?? (await openModel(args));
  let bank: Awaited<ReturnType<typeof openBank>> | null = null;
  let regions: RegionRule | null;
  try {
    bank = args.bank === null ? null : await openBank(args.bank, args, model);
    regions = bank === null || args.regions === null ? null : ruleFor(args.regions, bank.bank.map);
  } catch (thrown) {
    await bank?.bank.release();
    if (kept === null) await model.session.release();
    throw thrown;
  }
  running = { job: args.job, key, model, bank: bank?.bank ?? null, regions, beside: new Map() };
  // The new job is in force whatever becomes of the old one's sessions.
  const unreleased: string[] = [];
  const letGo = async (session: { release(): Promise<void> } | null | undefined): Promise<void> => {
    await session?.release().catch((thrown: unknown) => unreleased.push(reason(thrown)));
  };
  await letGo(before?.bank);
  for (const { bank: other } of before?.beside.values() ?? []) await letGo(other);
  if (kept === null) await letGo(before?.model.session);
  return {
    provider: model.provider,
    rung: model.rung,
    refusals: model.refusals,
    bankProvider: bank?.provider ?? null,
    bankRefusals: bank?.refusals ?? [],
    unreleased,
    golden: model.golden,
    map: (bank?.bank ?? model.session).map,
    ms: monotonicMs() - began,
  };
}

async function releaseBanks(of: Running | null): Promise<void> {
  await of?.bank?.release();
  for (const { bank } of of?.beside.values() ?? []) await bank.release();
}

async function beside(args: BesideArgs): Promise<Beside> {
  if (running === null) throw new VerdictdError('INFERENCE_FAILED', 'there is no model to put a bank behind');
  const { bank, provider, refusals } = await openBank(args.bank, args, running.model);
  try {
    const regions = args.regions === null ? null : ruleFor(args.regions, bank.map);
    running.beside.set(args.job, { bank, regions });
    return { bankProvider: provider, bankRefusals: refusals, map: bank.map };
  } catch (thrown) {
    await bank.release();
    throw thrown;
  }
}

function job(number: number): Running {
  if (running?.job === number) return running;
  const other = running?.beside.get(number);
  if (running !== null && other !== undefined) return { ...running, ...other };
  throw new VerdictdError('INFERENCE_FAILED', `the call is for load ${number}; in force is ${running?.job ?? 'none'}`);
}

/** A slot is read where it lies: nobody writes to it before its lease is given back. */
function tensorOf(source: Source): Float32Array {
  if ('data' in source) return source.data;
  if (ring?.id !== source.ring) ring = openRing(source.ring);
  return ring.tensor(source.slot);
}

const methods = {
  async load(args: LoadArgs): Promise<Loaded> {
    try {
      return await load(args);
    } catch (thrown) {
      if (!(thrown instanceof NoRung)) throw thrown;
      const todo = 'Run `verdictd doctor`; see inference.providers in docs/config.md.';
      throw new VerdictdError(
        'PROVIDER_UNAVAILABLE',
        `no execution provider could run ${args.model.file.path}: ${thrown.message}. ${todo}`,
      );
    }
  },
  /** As `load`, on the one rung `tensorrt-engine`; its refusal is an answer, for there are rungs below. */
  async loadEngine(args: LoadArgs): Promise<Loaded | { refused: string }> {
    try {
      return await load({ ...args, providers: [engineRung] });
    } catch (thrown) {
      if (!(thrown instanceof NoRung)) throw thrown;
      return { refused: thrown.refusals.at(-1)?.reason ?? thrown.message };
    }
  },
  /** Why no session can run on this provider, whatever the model; null where nothing speaks against it. Costs nothing. */
  async probe(provider: Provider): Promise<string | null> {
    const compiled = supported();
    if (!compiled.includes(provider)) return `not compiled into this onnxruntime (it has ${compiled.join(', ') || 'none'})`;
    return await loads(provider);
  },
  async run(args: RunArgs): Promise<Moved<RunResult>> {
    const queue = monotonicMs() - args.asked;
    const { model, bank, regions, beside: others } = job(args.job);
    const near = (args.near ?? []).flatMap((number) => {
      const other = others.get(number);
      return other === undefined ? [] : [{ job: number, bank: other.bank }];
    });
    const { result, ms, buffers } = await inspectTensor(model.session, bank, tensorOf(args.source), args.map, regions, near);
    return new Moved({ ...result, ms: { queue, ...ms } }, buffers);
  },
  beside,
  /** Gives up the bank of one load made by `beside`; none of that number is no fault. */
  async drop(number: number): Promise<null> {
    const bank = running?.beside.get(number)?.bank;
    running?.beside.delete(number);
    await bank?.release();
    return null;
  },
  async embed(args: { job: number; source: Source }): Promise<Moved<Embedding>> {
    const { value, buffers } = await job(args.job).model.session.embed(tensorOf(args.source));
    return new Moved(value, buffers);
  },
  ping(_: null): number {
    return monotonicMs();
  },
  /** Releases everything and ends this thread; there is no answer but its end. */
  async quit(_: null): Promise<void> {
    const last = running;
    running = null;
    try {
      await releaseBanks(last);
      await last?.model.session.release();
    } finally {
      process.exit(0);
    }
  },
};

export type InferenceMethods = typeof methods;

serve(methods);
