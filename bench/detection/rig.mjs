/** The default bundle, its model and a bank runner as the product uses them: what every part of the detection bench teaches and scores with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

process.env.ORT_DISABLE_TELEMETRY = '1';
const require = createRequire(import.meta.url);
const { InferenceSession, Tensor } = require('onnxruntime-node');
const { loadBundle } = require('../../dist/bundle/load.js');
const { preprocess } = require('../../dist/native.js');
const { BankRunner } = require('../../dist/recipe/runner.js');
const { teach } = require('../../dist/recipe/teach.js');

const threads = 2;

/** The `share` quantile of `list`, its upper neighbour. */
export function quantile(list, share) {
  return [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];
}

export const meanOf = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;

/** `items` in a random order that is the same for the same seed (Fisher-Yates, mulberry32). */
export function shuffled(items, seed) {
  let s = (seed * 7919 + 13) >>> 0;
  const next = () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** Owner of the session, the bank's thread and a data directory; `close` is the only close path. */
export class Rig {
  modelMs = [];

  static async open() {
    const rig = new Rig();
    rig.bundle = await loadBundle(null);
    rig.input = rig.bundle.manifest.input;
    rig.model = await InferenceSession.create(rig.bundle.modelPath, { executionProviders: ['cpu'], intraOpNumThreads: threads });
    rig.bank = new BankRunner(threads);
    rig.bank.start();
    rig.dataDir = mkdtempSync(join(tmpdir(), 'verdictd-detection-'));
    return rig;
  }

  get name() {
    const { name, version } = this.bundle.manifest;
    return `${name} ${version}`;
  }

  /** Picture to what teaching reads. */
  async sampleOf(picture) {
    return { ...(await preprocess(picture, this.input)), picture };
  }

  async embed(tensor) {
    const { input, model, bundle, modelMs } = this;
    const began = performance.now();
    const found = await model.run({ [input.name]: new Tensor('float32', tensor, [1, 3, input.height, input.width]) });
    modelMs.push(performance.now() - began);
    return bundle.manifest.taps.map((tap) => Float32Array.from(found[tap.name].data));
  }

  /**
   * Teaches from `parts`, all of them, and scores `tests` (their tokens, in order) by the bank: `each(outputs, index)`. Gives the median time
   * of the bank in ms, and its rows. The recipe is removed again.
   */
  async taught(parts, symmetry, tests, each) {
    const { dataDir, bundle, bank } = this;
    const deps = { embed: (tensor) => this.embed(tensor), bank, utc: () => '2026-01-01T00:00:00.000Z' };
    const options = { dataDir, recipe: 'bench', bundle, parts, shots: parts.length, symmetry, falseReject: 0.005 };
    const { recipe, report } = await teach(options, deps);
    const times = [];
    await bank.open(recipe.bankPath);
    try {
      for (const [i, tokens] of tests.entries()) {
        const began = performance.now();
        const found = await bank.run(recipe.bankPath, tokens);
        times.push(performance.now() - began);
        each(found, i);
      }
    } finally {
      await bank.close(recipe.bankPath);
      rmSync(join(dataDir, 'recipes'), { recursive: true });
    }
    return { bankMs: quantile(times, 0.5), shots: report.shots };
  }

  async close() {
    await this.bank.end();
    await this.model.release();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
