/** `verdictd model` as a process of its own, and ONNX models from elsewhere. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graph, type Value } from '../../src/onnx/graph';
import { averagePool, reduceMax, reduceMean, reshape } from '../../src/onnx/ops';
import { AttributeField, GraphField, Message, ModelField, NodeField, OpsetField, TensorField } from '../../src/onnx/wire';
import { launcher, run } from '../cli/process';
import { Workshop } from './bundles';
import { testWithVectors, vector } from './vectors';

const shop = new Workshop();
afterAll(() => shop.close());
jest.setTimeout(60_000);

const verdictd = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(launcher, [...args, '--json'], {
    env: { VERDICTD_INFERENCE_PROVIDERS: 'cpu' },
    cwd: shop.dir,
  });
  const lines = stdout.trim().split('\n');
  return { code, stderr, last: JSON.parse(lines.at(-1) ?? 'null') as Record<string, unknown>, lines: lines.length };
};
const message = (last: Record<string, unknown>): string => {
  const { code, message: text } = (last.error ?? {}) as { code?: string; message?: string };
  return `${code} ${text}`;
};

testWithVectors('build, inspect an image, look into the bundle, verify; an altered file is named', async () => {
  const clip = shop.unpack('openai-jit-tiny/tiny-openai-jit.pt.gz', 'clip.pt');
  const adapter = vector('anomalyclip-tiny/prompt_learner.pth');
  const sizes = ['--image-size', '70', '--dpam-layer', '5', '--features-list', '2,4'];
  const built = await verdictd(
    'model',
    'build',
    '--method',
    'anomalyclip',
    '--clip',
    clip,
    '--adapter',
    adapter,
    ...sizes,
    '--out',
    'out/b',
  );
  expect(built).toMatchObject({ code: 0, lines: 1 });
  const out = join(shop.dir, 'out/b');
  expect(built.last).toEqual({
    out,
    method: 'anomalyclip',
    inputSize: 70,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    golden: { score: expect.any(Number) },
    warnings: [],
  });
  expect(readdirSync(out).sort()).toEqual(['golden.png', 'manifest.json', 'model.onnx']);
  const inspected = await verdictd('inspect', vector('anomalyclip-tiny/normal.png'), '--bundle', 'out/b', '--map-out', 'out/m');
  expect(inspected.last).toMatchObject({ limit: null, evaluation: null, verdict: null, width: 123, height: 97 });
  expect(inspected.last.score).toBeCloseTo(0.846092, 4); // the authors' code on these half-precision weights
  expect(existsSync(join(shop.dir, 'out/m/normal.npy'))).toBe(true);
  const shown = await verdictd('model', 'inspect', 'out/b');
  expect(shown.last).toMatchObject({ sha256: built.last.sha256, method: 'anomalyclip', settings: { dpamLayer: 5, features: [2, 4] } });
  const verified = await verdictd('model', 'verify', 'out/b');
  expect(verified).toMatchObject({
    code: 0,
    last: { ok: true, provider: 'cpu', golden: { expected: (built.last.golden as { score: number }).score } },
  });

  cpSync(out, join(shop.dir, 'out/altered'), { recursive: true });
  const model = readFileSync(join(out, 'model.onnx'));
  model[model.length >> 1] = (model[model.length >> 1] ?? 0) ^ 1;
  writeFileSync(join(shop.dir, 'out/altered/model.onnx'), model);
  const altered = await verdictd('model', 'verify', 'out/altered');
  expect(altered.code).toBe(1);
  expect(message(altered.last)).toMatch(/BUNDLE_REFUSED .*model\.onnx was altered/);
  const manifest = readFileSync(join(out, 'manifest.json'), 'utf8');
  cpSync(out, join(shop.dir, 'out/lying'), { recursive: true });
  const score = (built.last.golden as { score: number }).score;
  writeFileSync(join(shop.dir, 'out/lying/manifest.json'), manifest.replace(`"score": ${score}`, `"score": ${score - 0.3}`));
  const lying = await verdictd('model', 'verify', 'out/lying');
  expect(lying.code).toBe(1);
  expect(message(lying.last)).toMatch(/PROVIDER_UNAVAILABLE .*golden image scored/);
});

test('wrong options are usage errors that say what was expected', async () => {
  for (const [args, expected] of [
    [['--method', 'padim'], /Allowed choices are anomalyclip/],
    [['--method', 'clip', '--features-list', '6,x'], /Expected block numbers/],
    [['--method', 'clip', '--clip', 'none.pt', '--out', 'o'], /none\.pt.*cannot be read/],
  ] as const) {
    const { code, last } = await verdictd('model', 'build', ...args);
    expect(code).not.toBe(0);
    expect(message(last)).toMatch(expected);
  }
  expect(readdirSync(shop.dir).filter((name) => name.startsWith('.'))).toEqual([]);
});

describe('import', () => {
  /** As anomalib exports: score [1,1], map [1,1,H,W], and more outputs. */
  function foreign(name: string, change: (map: Value) => Value = (map) => map): string {
    const graph = new Graph(name);
    const image = graph.input('input', 'float32', [1, 3, 32, 32]);
    const map = averagePool(reshape(reduceMax(image, [1]), [1, 1, 32, 32]), { kernel: [2, 2], stride: 2 });
    graph.output('pred_score', reshape(reduceMean(image, [0, 1, 2, 3]), [1, 1]));
    graph.output('anomaly_map', change(map));
    graph.output('pred_label', reduceMax(image, [1, 2, 3]));
    const path = join(shop.dir, `${name}.onnx`);
    graph.writeFile(path);
    return path;
  }

  test("a model with anomalib's outputs becomes a bundle that holds", async () => {
    const path = foreign('patchcore');
    const imported = await verdictd('model', 'import', path, '--out', 'imported');
    expect(imported).toMatchObject({ code: 0, last: { method: 'imported', inputSize: 32, warnings: [] } });
    const grey = join(shop.dir, 'grey.png');
    copyFileSync(join(shop.dir, 'imported/golden.png'), grey);
    const { last } = await verdictd('inspect', grey, '--bundle', 'imported', '--map-out', 'maps');
    expect(last.score).toBeCloseTo((imported.last.golden as { score: number }).score, 5);
    expect(last.probabilities).toBeNull();
    expect(readFileSync(join(shop.dir, 'maps/grey.npy')).subarray(0, 128).toString('latin1')).toContain('(16, 16)');
    const shown = await verdictd('model', 'inspect', 'imported');
    expect(shown.last).toMatchObject({ kind: 'imported', taps: [], settings: { scoreOutput: 'pred_score', mapOutput: 'anomaly_map' } });
    expect((await verdictd('model', 'verify', 'imported')).code).toBe(0);
  });

  test('without a score by name the largest value of the map is it, and the report says so', async () => {
    const path = foreign('fastflow');
    const { last } = await verdictd('model', 'import', path, '--out', 'fastflow', '--score', 'pred_score', '--map', 'anomaly_map');
    expect(last.warnings).toEqual([]);
    const graph = new Graph('maponly');
    graph.output('output', reduceMax(graph.input('x', 'float32', [1, 3, 24, 24]), [1], true));
    const only = join(shop.dir, 'maponly.onnx');
    graph.writeFile(only);
    const imported = await verdictd('model', 'import', only, '--out', 'maponly');
    expect(imported.last.warnings).toEqual([expect.stringContaining('no score by name')]);
  });

  test('an open batch and size are closed; without --image-size that is asked for', async () => {
    const path = join(shop.dir, 'open.onnx');
    writeFileSync(path, openModel());
    const asked = await verdictd('model', 'import', path, '--out', 'open');
    expect(asked.code).toBe(2);
    expect(message(asked.last)).toMatch(/leaves the height of its picture open: give --image-size N/);
    const closed = await verdictd('model', 'import', path, '--out', 'open', '--image-size', '40');
    expect(closed).toMatchObject({ code: 0, last: { inputSize: 40 } });
  });

  test('what is no such model is refused by name, before a session exists', async () => {
    const refusal = async (path: string, ...more: string[]) =>
      message((await verdictd('model', 'import', path, '--out', 'no', ...more)).last);
    const path = foreign('sound');
    const bytes = readFileSync(path);
    const write = (name: string, data: Uint8Array) => {
      writeFileSync(join(shop.dir, name), data);
      return join(shop.dir, name);
    };
    expect(await refusal(join(shop.dir, 'absent.onnx'))).toMatch(/BUNDLE_REFUSED .*ENOENT/);
    expect(await refusal(write('cut.onnx', bytes.subarray(0, bytes.length - 40)))).toMatch(/BUNDLE_REFUSED .*runs over the end/);
    expect(await refusal(write('text.onnx', Buffer.from('not a model')))).toMatch(/BUNDLE_REFUSED/);
    expect(await refusal(write('domain.onnx', openModel({ domain: 'com.evil' })))).toMatch(/give --image-size/);
    expect(await refusal(write('domain2.onnx', openModel({ domain: 'com.evil' })), '--image-size', '16')).toMatch(/domain "com\.evil"/);
    expect(await refusal(write('external.onnx', openModel({ external: true })), '--image-size', '16')).toMatch(
      /data outside the file|lies outside/,
    );
    expect(await refusal(path, '--score', 'nothing')).toMatch(/has no output nothing, but pred_score/);
    expect(await refusal(path, '--image-size', '64')).toMatch(/USAGE .*does not fit/);
    expect(await refusal(foreign('twomaps', (map) => reshape(map, [2, 1, 8, 16])))).toMatch(
      /anomaly_map is \[2,1,8,16\]; expected one map/,
    );
    mkdirSync(join(shop.dir, 'folder.onnx'));
    expect(await refusal(join(shop.dir, 'folder.onnx'))).toMatch(/BUNDLE_REFUSED/);
    expect(existsSync(join(shop.dir, 'no'))).toBe(false);
  });
});

/** x [N,3,H,W] of open sizes -> anomaly_map, one node; optionally of another domain, or with weights outside the file. */
function openModel(options: { domain?: string; external?: boolean } = {}): Buffer {
  const dim = (value: number | string) => (typeof value === 'number' ? new Message().int(1, value) : new Message().text(2, value));
  const port = (name: string, dims: readonly (number | string)[]) => {
    const shape = new Message();
    for (const one of dims) shape.message(1, dim(one));
    const type = new Message().message(1, new Message().int(1, 1).message(2, shape));
    return new Message().text(1, name).message(2, type);
  };
  const node = new Message()
    .text(NodeField.input, 'x')
    .text(NodeField.output, 'anomaly_map')
    .text(NodeField.opType, 'ReduceMax')
    .message(
      NodeField.attribute,
      new Message().text(AttributeField.name, 'axes').ints(AttributeField.ints, [1]).int(AttributeField.type, 7),
    );
  if (options.domain !== undefined) node.text(NodeField.domain, options.domain);
  const graph = new Message().message(GraphField.node, node).text(GraphField.name, 'open');
  if (options.external === true) {
    const outside = new Message().int(TensorField.dims, 1).int(TensorField.dataType, 1).text(TensorField.name, 'w');
    const entry = new Message().text(1, 'location').text(2, '/etc/hostname');
    graph.message(GraphField.initializer, outside.message(TensorField.externalData, entry).int(TensorField.dataLocation, 1));
  }
  graph
    .message(GraphField.input, port('x', ['batch', 3, 'height', 'width']))
    .message(GraphField.output, port('anomaly_map', ['batch', 1, 'height', 'width']));
  return new Message()
    .int(ModelField.irVersion, 8)
    .message(ModelField.graph, graph)
    .message(ModelField.opsetImport, new Message().text(OpsetField.domain, '').int(OpsetField.version, 17))
    .toBuffer();
}
