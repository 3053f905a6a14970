/**
 * The model and, behind it, the recipe's bank: a preprocessed tensor in; score, map and tokens out. The bank is a second small session fed
 * with the model's outputs by name; its outputs are `score` (calibrated) and `map`.
 */

import { VerdictdError } from '../errors';
import type { Ms } from '../ports';
import { type InferenceSession, Tensor } from './onnxruntime';
import type { Embedding, ModelSpec, RunResult } from './protocol';
import { type RegionRule, scoreRegions } from './regions';
import { checkedMax, declared, elements, finite, type Port, Runner } from './session';

const bankOutputs = { score: 'score', map: 'map' } as const;

/** A map has one height and one width; leading sides of 1 are the batch (and the channel, in imported models). */
function mapSize(port: Port): { width: number; height: number } | null {
  const [width, height, ...rest] = [...port.shape].reverse();
  return width === undefined || height === undefined || rest.some((side) => side !== 1) ? null : { width, height };
}

export class Model {
  private constructor(
    private readonly runner: Runner,
    readonly outputs: readonly Port[],
    private readonly spec: ModelSpec,
    readonly map: { width: number; height: number },
  ) {}

  /** What the last run took in onnxruntime itself. */
  get ms(): Ms {
    return this.runner.ms;
  }

  get mapName(): string {
    return this.spec.outputs.map;
  }

  /** Takes over the session. Throws BUNDLE_REFUSED, with every difference, where the graph is not what the manifest says. */
  static of(session: InferenceSession, spec: ModelSpec): Model {
    const { path } = spec.file;
    const inputs = declared(session.inputMetadata, path);
    const outputs = declared(session.outputMetadata, path);
    const { input, taps } = spec;
    const wrong: string[] = [];
    const want = (ports: readonly Port[], name: string, expected: string, holds: (port: Port) => boolean) => {
      const port = ports.find((one) => one.name === name);
      if (port === undefined) wrong.push(`${name} is missing (expected ${expected})`);
      else if (!holds(port)) wrong.push(`${name} is [${port.shape.join(',')}] (expected ${expected})`);
    };
    const image = [1, 3, input.height, input.width].join(',');
    want(inputs, input.name, `[${image}]`, (port) => port.shape.join(',') === image);
    if (inputs.length !== 1) wrong.push(`it has ${inputs.length} inputs (expected 1)`);
    want(outputs, spec.outputs.score, 'one number', (port) => elements(port.shape) === 1);
    const { logit } = spec.outputs;
    if (logit !== undefined) want(outputs, logit, 'one number', (port) => elements(port.shape) === 1);
    want(outputs, spec.outputs.map, '[1,height,width]', (port) => mapSize(port) !== null);
    if (spec.outputs.probabilities !== null) want(outputs, spec.outputs.probabilities, '[1,2]', (port) => elements(port.shape) === 2);
    for (const tap of taps) {
      const count = tap.rows * tap.columns * tap.dim;
      want(outputs, tap.name, `[1,${tap.rows * tap.columns},${tap.dim}]`, (port) => elements(port.shape) === count);
    }
    const port = outputs.find((one) => one.name === spec.outputs.map);
    const map = port === undefined ? null : mapSize(port);
    if (wrong.length > 0 || map === null) {
      const list = wrong.join('; ');
      throw new VerdictdError('BUNDLE_REFUSED', `${path} is not what its manifest says: ${list}. Build or import the bundle again.`);
    }
    return new Model(new Runner(session, outputs), outputs, spec, map);
  }

  /** One inference of `input` [3,height,width]; the wanted outputs can then be read until the next. Throws where they are not finite. */
  async run(input: Float32Array, extra: readonly string[] = []): Promise<{ score: number; probabilities: RunResult['probabilities'] }> {
    const { outputs, input: image } = this.spec;
    const shape = [1, 3, image.height, image.width];
    if (input.length !== elements(shape)) {
      const expected = `${elements(shape)} (3 x ${image.height} x ${image.width})`;
      throw new VerdictdError('INFERENCE_FAILED', `the input has ${input.length} values; expected ${expected}`);
    }
    const wanted = new Set([outputs.score, ...(outputs.probabilities === null ? [] : [outputs.probabilities]), ...extra]);
    await this.runner.run({ [image.name]: new Tensor('float32', input, shape) }, [...wanted]);
    const score = finite(this.runner.floats(outputs.score)[0], 'score of the model');
    if (outputs.probabilities === null) return { score, probabilities: null };
    const [normal, anomaly] = this.runner.floats(outputs.probabilities);
    return { score, probabilities: { normal: finite(normal, 'probability'), anomaly: finite(anomaly, 'probability') } };
  }

  tensor(name: string): Tensor {
    return this.runner.tensor(name);
  }

  /** Throws INFERENCE_FAILED where the output of the last run is not finite throughout. */
  check(name: string): void {
    checkedMax(this.runner.floats(name), `output ${name} of the model`);
  }

  /** The map of the last run that asked for it: its largest value, and its data where wanted (given away). */
  takeMap(give: boolean): { mapMax: number; map: Float32Array<ArrayBuffer> | null } {
    const name = this.spec.outputs.map;
    const mapMax = checkedMax(this.runner.floats(name), 'anomaly map of the model');
    return { mapMax, map: give ? this.runner.give(name) : null };
  }

  /** Score on the golden image, for the ladder; throws where anything in it is not finite. */
  async prove(golden: Float32Array): Promise<number> {
    const { score } = await this.run(golden, [this.spec.outputs.map]);
    this.takeMap(false);
    return score;
  }

  /** Everything the model gives for one tensor, in buffers of its own. */
  async embed(input: Float32Array): Promise<{ value: Embedding; buffers: ArrayBuffer[] }> {
    const { outputs } = this.spec;
    const { logit } = outputs;
    const taps = [...this.spec.taps, ...(logit === undefined ? [] : [{ name: logit, rows: 1, columns: 1, dim: 1 }])];
    const { score } = await this.run(input, [outputs.map, ...taps.map((tap) => tap.name)]);
    this.check(outputs.map);
    const map = { ...this.map, data: this.runner.give(outputs.map) };
    const tokens = taps.map((tap) => {
      this.check(tap.name);
      return { ...tap, data: this.runner.give(tap.name) };
    });
    return { value: { score, map, taps: tokens }, buffers: [map.data.buffer, ...tokens.map((tap) => tap.data.buffer)] };
  }

  async release(): Promise<void> {
    await this.runner.release();
  }
}

export class Bank {
  private constructor(
    private readonly runner: Runner,
    /** Outputs of the model that the bank reads. */
    readonly inputs: readonly string[],
    readonly map: { width: number; height: number },
  ) {}

  /** Takes over the session. Throws RECIPE_REFUSED where it does not fit behind the model. */
  static of(session: InferenceSession, path: string, model: readonly Port[]): Bank {
    const refused = (why: string) => new VerdictdError('RECIPE_REFUSED', `${path} ${why}. Teach the recipe again with this bundle.`);
    const inputs = declared(session.inputMetadata, path);
    for (const input of inputs) {
      const source = model.find((output) => output.name === input.name);
      if (source === undefined) throw refused(`reads ${input.name}, which the model does not give`);
      if (source.shape.join() !== input.shape.join()) {
        throw refused(`reads ${input.name} as [${input.shape.join(',')}]; the model gives [${source.shape.join(',')}]`);
      }
    }
    const outputs = declared(session.outputMetadata, path);
    const score = outputs.find((output) => output.name === bankOutputs.score);
    const map = outputs.find((output) => output.name === bankOutputs.map);
    const size = map === undefined ? null : mapSize(map);
    if (score === undefined || elements(score.shape) !== 1 || size === null) {
      throw refused(`has no ${bankOutputs.score} of one number and ${bankOutputs.map} of one height and width`);
    }
    const names = inputs.map((input) => input.name);
    return new Bank(new Runner(session, outputs), names, size);
  }

  /**
   * Calibrated score of what the model's last run gave. Its inputs are checked first: a smallest or largest value taken over NaN may
   * well be finite, and a patch that is not a number would pass as a good one.
   */
  async run(model: Model): Promise<number> {
    for (const name of this.inputs) model.check(name);
    const feeds = Object.fromEntries(this.inputs.map((name) => [name, model.tensor(name)]));
    await this.runner.run(feeds, [bankOutputs.score, bankOutputs.map]);
    return finite(this.runner.floats(bankOutputs.score)[0], 'calibrated score of the recipe');
  }

  /** What the last run took in onnxruntime itself. */
  get ms(): Ms {
    return this.runner.ms;
  }

  /** Score of the last run by the recipe's region rules, from its map. */
  scoreBy(rule: RegionRule): number {
    const map = this.runner.floats(bankOutputs.map);
    checkedMax(map, 'anomaly map of the recipe');
    return finite(scoreRegions(map, rule).score, 'score by the region rules');
  }

  takeMap(give: boolean): { mapMax: number; map: Float32Array<ArrayBuffer> | null } {
    const mapMax = checkedMax(this.runner.floats(bankOutputs.map), 'anomaly map of the recipe');
    return { mapMax, map: give ? this.runner.give(bankOutputs.map) : null };
  }

  async release(): Promise<void> {
    await this.runner.release();
  }
}

/** Model and bank on one tensor, as a part is inspected. Map and score are the bank's where there is one. `ms`: the sessions alone. */
export async function inspectTensor(
  model: Model,
  bank: Bank | null,
  input: Float32Array,
  map: 'none' | 'full',
  regions: RegionRule | null = null,
  near: readonly { job: number; bank: Bank }[] = [],
): Promise<{ result: Omit<RunResult, 'ms'>; ms: { model: number; bank: number }; buffers: ArrayBuffer[] }> {
  const own = await model.run(input, [...(bank?.inputs ?? [model.mapName]), ...near.flatMap((other) => other.bank.inputs)]);
  const whole = bank === null ? own.score : await bank.run(model);
  const score = bank === null || regions === null ? whole : bank.scoreBy(regions);
  const taken = (bank ?? model).takeMap(map === 'full');
  const buffers = taken.map === null ? [] : [taken.map.buffer];
  const others: { job: number; score: number }[] = [];
  let bankMs = bank?.ms ?? 0;
  for (const other of near) {
    others.push({ job: other.job, score: await other.bank.run(model) });
    bankMs += other.bank.ms;
  }
  const compared = near.length === 0 ? {} : { compared: { own: whole, others } };
  const result = { score, mapMax: taken.mapMax, map: taken.map, probabilities: own.probabilities, ...compared };
  return { result, ms: { model: model.ms, bank: bankMs }, buffers };
}
