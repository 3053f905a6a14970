/**
 * `verdictd bench`: what the line costs on this machine. Everything is real (addon, model, log with synchronous=FULL, MQTT broker on
 * loopback) but the camera: a few rendered frames of full size are shown again and again, so that drawing them costs nothing.
 * Raw session and pipeline are measured in one run, frame by frame, so that a busy machine slows both.
 *
 * Overhead of a part = trigger to exposure command, and from the moment its tensor is complete in its slot (the camera thread's own
 * time stamp) to the moment the bytes of `result` have been given to the socket (the write has returned), less what the sessions of
 * model and bank spent in onnxruntime. So it holds every hop between threads, every check of the model's outputs, the decision, the
 * commit with its sync, and the writing of the message; preprocessing, the model, and what comes after `result` are not in it.
 */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Command } from 'commander';
import { defaultBundleDir, loadBundle } from '../bundle/load';
import { PushedCamera, type RawImage } from '../camera/pushed';
import type { RenderMethods } from '../camera/render_worker';
import { monotonicMs, systemClock } from '../clock';
import { Code } from '../codes';
import { VerdictdError } from '../errors';
import { ModelInspector } from '../inspect/inspector';
import { judgeBy } from '../inspect/verdict';
import type { Exposures } from '../line/exposures';
import { bootId, ResultIds } from '../line/ids';
import { Line, type Report } from '../line/line';
import { makeEngine } from '../make_engine';
import { preprocess } from '../native';
import { EmbeddedBroker } from '../plc/broker';
import { MqttLink } from '../plc/link';
import type { Ms } from '../ports';
import { BankRunner } from '../recipe/runner';
import type { GoodPart } from '../recipe/shots';
import { teach } from '../recipe/teach';
import { quantile } from '../stats/quantile';
import { SqliteLog } from '../store/log';
import { WorkerClient, workerFile } from '../threads';
import type { Context } from './context';
import { integer } from './options';

const width = 4096; // px: the frame of the BFS-U3-89S6C
const height = 2160;
const pool = 4; // frames shown in turn: 35 MB, more than the caches hold
const shots = 4;
const ttl: Ms = 30_000; // nothing shall expire on a slow machine: this measures
const inFlight = 3;

interface Spread {
  p50: number;
  p99: number;
}
/** As --json prints it. */
interface Figures {
  fps: number;
  rawSessionFps: number;
  overheadMs: Spread;
  loopStallMs: { p99: number; max: number };
  /** Times that a thread of the process went to sleep and was woken, of all threads, the broker's and onnxruntime's too. */
  wakeUpsPerPart: number;
  stages: Record<string, Spread>;
  cpuMsPerFrame: number;
  rssMB: number;
  frames: number;
  bundle: string;
  provider: string;
}

export function register(program: Command, context: Context): void {
  program
    .command('bench')
    .description('Measure the line on this machine: frames per second, overhead, stages.')
    .option('--bundle <dir>', 'model; default: the one of the configuration')
    .option('--frames <n>', 'frames a measurement', integer(10, 100_000), 100)
    .action(async (options: { bundle?: string; frames: number }) => {
      const figures = await measure(context, options);
      if (context.io.json) context.io.outJson(figures);
      else for (const line of text(figures)) context.io.out(line);
    });
}

/** Rooms in the order they came up; taken down in reverse. */
class Rooms {
  private readonly undo: (() => Promise<unknown>)[] = [];
  add(stop: () => Promise<unknown>): void {
    this.undo.push(stop);
  }
  async close(): Promise<void> {
    for (let stop = this.undo.pop(); stop !== undefined; stop = this.undo.pop()) await stop();
  }
}

async function measure(context: Context, options: { bundle?: string; frames: number }): Promise<Figures> {
  const rooms = new Rooms();
  try {
    return await withRooms(context, options, rooms);
  } finally {
    await rooms.close();
  }
}

async function withRooms(context: Context, options: { bundle?: string; frames: number }, rooms: Rooms): Promise<Figures> {
  const { signal } = context;
  const config = context.config();
  const diagnostics = context.diagnostics();
  const soon = () => monotonicMs() + 5_000;
  const dir = await mkdtemp(join(context.makeDataDir(), 'bench-'));
  rooms.add(() => rm(dir, { recursive: true, force: true }));

  const frames = await render();
  const bundle = await loadBundle(options.bundle ?? config.bundle.path ?? defaultBundleDir());
  const engine = makeEngine(config.inference, { diagnostics, engines: context.engines() });
  engine.start();
  rooms.add(() => engine.stop(soon()));
  const bank = new BankRunner(config.inference.threads);
  bank.start();
  const { job } = await engine.load(bundle, null, signal);
  const parts: GoodPart[] = frames.map((image, i) => ({
    name: `frame ${i}`,
    read: async () => ({ ...(await preprocess(image, bundle.manifest.input)), picture: null }),
  }));
  const { recipe } = await teach(
    { dataDir: dir, recipe: 'bench', bundle, parts, shots, symmetry: 'none', falseReject: 0.005 },
    {
      embed: async (data) => (await engine.embed(job, { data })).taps.map((tap) => tap.data),
      bank,
      utc: () => systemClock.wall().utc,
      signal,
    },
  ).finally(() => bank.end());

  const inspector = new ModelInspector(engine, bundle, recipe, {});
  const plan = await inspector.prepare(signal);
  const log = new SqliteLog({ dir, bootId });
  const { bootNumber } = await log.start(signal);
  rooms.add(() => log.stop(soon()));
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port: 0 }, systemClock, diagnostics);
  const port = await broker.start(signal);
  rooms.add(() => broker.stop(soon()));
  const base = 'verdictd/bench';
  const link = new MqttLink(
    {
      url: `mqtt://127.0.0.1:${port}`,
      station: 'bench',
      base,
      ttl,
      heartbeat: 1000,
      acceptSimulated: false,
      triggerMode: 'software',
      maxOpen: inFlight,
      username: null,
      passwordFile: null,
      caFile: null,
      certFile: null,
      keyFile: null,
    },
    { clock: systemClock, diagnostics, outbox: log, lastSeq: () => 0 },
  );
  await link.start(signal);
  rooms.add(() => link.stop(soon()));
  while (!link.connected()) {
    signal.throwIfAborted();
    await new Promise((done) => setTimeout(done, 10));
  }

  const camera = new PushedCamera({ simulated: true });
  camera.start(plan);
  rooms.add(() => camera.stop(soon()));
  let shown = 0;
  const show = async (): Promise<void> => {
    const image = frames[shown++ % frames.length];
    if (image !== undefined) void camera.push(image, { source: null, truth: null, exposed: monotonicMs() }).catch(() => undefined); // stopped
  };
  const waiting: ((report: Report) => void)[] = [];
  const reports: Report[] = [];
  const line = new Line(
    { freeRun: false, ttl, margin: 1000, maxOpen: inFlight, lot: '', config: config.sha256 },
    {
      clock: systemClock,
      exposures: { fire: show, restart: () => undefined } satisfies Pick<Exposures, 'fire' | 'restart'>,
      inspector,
      log,
      publisher: link,
      judge: judgeBy({ acceptSimulated: false, acceptProvisional: true, teaching: () => false }),
      ids: new ResultIds(bootNumber),
      diagnostics,
      notReady: () => Code.ok,
      evidence: (_report, frame) => frame.release(),
      report: (report) => {
        reports.push(report);
        waiting.shift()?.(report);
      },
    },
    0,
  );
  rooms.add(() => line.stop(soon()));
  line.use({
    plan,
    bundle: bundle.sha256,
    simulated: true,
    limit: recipe.file.limit,
    gate: () => null,
    provider: () => inspector.loaded()?.provider ?? '',
  });
  const reading = (async () => {
    for await (const shot of camera.exposures()) line.exposure(shot);
  })();
  let seq = 0;
  const inspect = (): Promise<Report> => {
    signal.throwIfAborted();
    return new Promise((resolve) => {
      waiting.push(resolve);
      line.trigger({ seq: ++seq, partId: `B${seq}`, recipeId: 0, received: monotonicMs() });
    });
  };

  const progress = context.io.progress('frames', 2 * options.frames);
  for (let i = 0; i < 5; i++) await inspect(); // caches, JIT, the first page faults
  reports.length = 0;

  // One at a time: what a part takes. The model's own time of the same parts is the raw session.
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const slept = await sleeps();
  for (let i = 0; i < options.frames; i++) {
    await inspect();
    progress.step();
  }
  loop.disable();
  const wakeUps = (await sleeps()) - slept;
  const single = reports.splice(0);

  // As many as the line takes: what it can do.
  const cpu = process.cpuUsage();
  const began = monotonicMs();
  let asked = 0;
  const lane = async (): Promise<void> => {
    while (asked++ < options.frames) {
      await inspect();
      progress.step();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (monotonicMs() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  progress.done();

  const all = [...single, ...reports];
  const failed = all.find(({ verdict }) => verdict.score === null);
  if (failed !== undefined) {
    throw new VerdictdError(
      'INFERENCE_FAILED',
      `A part was not judged (${failed.verdict.code}: ${failed.verdict.detail}): no figures. Run it again.`,
    );
  }
  await camera.stop(soon());
  await reading;
  const of = (pick: (report: Report) => number | null | undefined) => spread(single.flatMap((report) => pick(report) ?? []));
  const session = single.map(({ ms }) => (ms === null ? Number.NaN : ms.model + ms.bank));
  const resolution = 1; // ms: what monitorEventLoopDelay counts on an idle loop
  return {
    fps: round(options.frames / seconds),
    rawSessionFps: round(1000 / quantile(session, 0.5)),
    overheadMs: of(({ overhead }) => overhead),
    loopStallMs: { p99: round(Math.max(0, loop.percentile(99) / 1e6 - resolution)), max: round(Math.max(0, loop.max / 1e6 - resolution)) },
    wakeUpsPerPart: round(wakeUps / options.frames),
    stages: {
      preprocess: of(({ stages }) => stages.acquire),
      model: of(({ ms }) => ms?.model),
      bank: of(({ ms }) => ms?.bank),
      handover: of(({ stages }) => stages.handover),
      inspect: of(({ stages }) => stages.inspect),
      inspectOwn: of(({ stages, ms }) => (stages.inspect === undefined || ms === null ? null : stages.inspect - ms.model - ms.bank)),
      commit: of(({ stages }) => stages.commit),
      publish: of(({ stages }) => stages.publish),
    },
    cpuMsPerFrame: round((user + system) / 1000 / options.frames),
    rssMB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    frames: options.frames,
    bundle: bundle.manifest.name,
    provider: inspector.loaded()?.provider ?? '',
  };
}

/** Voluntary context switches of all threads so far. */
async function sleeps(): Promise<number> {
  const tasks = '/proc/self/task';
  const texts = await Promise.all(
    (await readdir(tasks)).map((id) => readFile(join(tasks, id, 'status'), 'utf8').catch(() => '')), // a thread may end meanwhile
  );
  return texts.reduce((sum, text) => sum + Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(text)?.[1] ?? 0), 0);
}

async function render(): Promise<RawImage[]> {
  const worker = new WorkerClient<RenderMethods>(workerFile('camera/render_worker'), 'render');
  worker.start();
  try {
    const product = { family: 'board', product: 1, width, height } as const;
    await worker.call('prepare', product);
    const frames: RawImage[] = [];
    for (let part = 0; part < pool; part++) {
      const empty = new ArrayBuffer(width * height);
      const buffer = await worker.call('render', { spec: { ...product, seed: 1, part, defect: null }, buffer: empty }, [empty]);
      frames.push({ width, height, stride: width, pixelFormat: 'BayerRG8', data: new Uint8Array(buffer) });
    }
    return frames;
  } finally {
    await worker.end();
  }
}

function spread(values: readonly number[]): Spread {
  return { p50: round(quantile(values, 0.5)), p99: round(quantile(values, 0.99)) };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function text(f: Figures): string[] {
  const ms = ({ p50, p99 }: Spread) => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
  return [
    `bundle ${f.bundle} on ${f.provider}, ${f.frames} frames of ${width} x ${height}`,
    `pipeline            ${f.fps.toFixed(1)} frames/s; the session alone ${f.rawSessionFps.toFixed(1)}/s`,
    `overhead a part     ${ms(f.overheadMs)}   goal p50 <= 0.5, p99 <= 3 on a quiet machine (no preprocessing, no model)`,
    `main-loop stall     p99 ${f.loopStallMs.p99.toFixed(2)} ms, max ${f.loopStallMs.max.toFixed(2)} ms   goal <= 5`,
    `thread wake-ups     ${f.wakeUpsPerPart.toFixed(1)} a part, of all threads`,
    ...Object.entries(f.stages).map(([name, value]) => `  ${name.padEnd(17)} ${ms(value)}`),
    `processor time      ${f.cpuMsPerFrame.toFixed(1)} ms a frame; memory ${f.rssMB.toFixed(0)} MB`,
  ];
}
