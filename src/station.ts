/**
 * The composition root: the one place (beside the command line) that constructs adapters. `start` brings the rooms up in the order
 * in which they depend on each other and can be aborted between any two; `stop` takes them down in reverse, each with a deadline.
 */
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { createCamera } from './camera/create';
import { readPicture } from './camera/picture';
import { thumbnail } from './camera/pushed';
import { systemClock } from './clock';
import { Code } from './codes';
import type { Config } from './config/load';
import type { Diagnostics } from './diagnostics';
import { reason, VerdictdError } from './errors';
import { Pictures } from './evidence/pictures';
import { Engine } from './inspect/engine';
import { enginesOf } from './inspect/engine_cache';
import type { ModelInspector } from './inspect/inspector';
import { judgeBy } from './inspect/verdict';
import { Exposures } from './line/exposures';
import { bootId, ResultIds } from './line/ids';
import type { Job } from './line/job';
import { Line, type Report } from './line/line';
import { type Facts, stateOf } from './line/states';
import { Tally } from './line/tally';
import { lockDataDir } from './lock';
import { EmbeddedBroker } from './plc/broker';
import { MqttLink } from './plc/link';
import { SimulatedPlc } from './plc/simulator';
import type { Camera, Clock, Findings, Frame, Ms, StationState } from './ports';
import { prepare } from './preparation';
import { SqliteLog } from './store/log';

export interface StationOptions {
  config: Config;
  dataDir: string; // absolute, exists
}

export interface StationEvents {
  /** A part has been decided and answered, and logged, unless its code is 502. */
  report(report: Report): void;
  /** The station's state changed. */
  state(state: StationState): void;
  /** What a person waiting at start wants to read. */
  progress(text: string): void;
  /** The camera has no more pictures (files, once) and every part is closed. */
  ended(): void;
  /** The camera needs a fresh process, or another configuration: whoever runs the station stops it and exits with the error's code. */
  failed?(error: VerdictdError): void;
}

const refreshEvery: Ms = 250;
const freeSpaceEvery: Ms = 5_000; // contract table "commit fails": watched, not waited for
/**
 * Without a sign of life for this long a room counts as stuck: the heartbeat stands still. Three heartbeats at the least; never less
 * than two of the longest pulse that an idle room gives, the camera's of a second.
 */
const aliveFor = (heartbeat: Ms, ttl: Ms): Ms => Math.max(3 * heartbeat, ttl, 2_000);

type Stop = (by: Ms) => Promise<void>;

export class Station {
  private readonly clock: Clock;
  private readonly undo: { room: string; stop: Stop }[] = [];
  private readonly facts: Facts;
  private state: StationState;
  private timers: NodeJS.Timeout[] = [];
  private link: MqttLink | null = null;
  private line: Line | null = null;
  private log: SqliteLog | null = null;
  private inspector: ModelInspector | null = null;
  private camera: Camera | null = null;
  private exposures: Exposures | null = null;
  private diskLow = false;
  private readonly tally = new Tally(() => this.line?.counts.triggers ?? 0);

  constructor(
    private readonly options: StationOptions,
    private readonly diagnostics: Diagnostics,
    private readonly events: StationEvents,
    clock: Clock = systemClock,
  ) {
    const { config } = options;
    this.clock = clock;
    this.facts = {
      started: false,
      stopping: false,
      noJob: Code.ok,
      cameraLost: false,
      cameraEnded: false,
      diskLow: false,
      logLost: false,
      brokerHold: false,
      plcSilent: false,
      freeRun: config.trigger.source === 'freeRun',
    };
    this.state = { ...stateOf(this.facts), recipeId: 0, ep: '', bundle: '', config: config.sha256.slice(0, 8), bootId: '' };
  }

  /**
   * Resolves when the station is up: Operational, or waiting in a state that says what is missing (no recipe, bundle refused,
   * camera absent, broker absent are states, not failures). Rejects for what no waiting mends; everything started is stopped then.
   */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await this.bringUp(signal);
    } catch (thrown) {
      await this.stop(this.clock.now() + 5_000);
      throw signal.aborted ? new VerdictdError('ABORTED', 'Stopped while the station was starting.', { cause: thrown }) : thrown;
    }
  }

  /** Takes every room down in reverse order by `by`; safe at any moment, more than once. */
  async stop(by: Ms): Promise<void> {
    this.facts.stopping = true;
    this.refresh();
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    for (let room = this.undo.pop(); room !== undefined; room = this.undo.pop()) {
      // Each room gets what is left, but never so much that the ones below it get nothing.
      const share = Math.max(200, (by - this.clock.now()) / (this.undo.length + 1));
      try {
        await room.stop(this.clock.now() + share);
      } catch (thrown) {
        this.diagnostics.error({ room: room.room, err: reason(thrown) }, 'did not stop as it should');
      }
    }
  }

  get current(): StationState {
    return this.state;
  }

  private async bringUp(signal: AbortSignal): Promise<void> {
    const { config, dataDir } = this.options;
    const { clock, diagnostics } = this;

    const lock = lockDataDir(dataDir);
    this.owns('lock', async () => lock.close());

    const log = new SqliteLog({ dir: dataDir, bootId, notice: (text) => diagnostics.warn(text) });
    this.log = log;
    const { lastSeq, bootNumber, aborted } = await log.start(signal);
    this.owns('log', (by) => log.stop(by));
    this.state.bootId = bootId(bootNumber);
    if (aborted > 0) diagnostics.warn({ parts: aborted }, 'parts that an earlier run left open are closed as Aborted');
    signal.throwIfAborted();

    if (config.broker.embedded) {
      const broker = new EmbeddedBroker(config.broker, clock, diagnostics);
      await broker.start(signal);
      this.owns('broker', (by) => broker.stop(by));
    }

    const link = this.buildLink(log);
    this.link = link;
    link.state({ ...this.state }); // with the first connection: the broker may still hold the `state` of a run that was killed
    const pictures = new Pictures(
      {
        dir: join(dataDir, 'images'),
        keep: config.evidence.pictures,
        heatmaps: config.evidence.heatmaps,
        quality: config.evidence.quality,
      },
      async (image) => {
        await log.image(image);
        this.link?.drain();
      },
      clock,
      diagnostics,
    );
    await pictures.start();
    this.owns('pictures', (by) => pictures.stop(by));

    const camera = createCamera(config, (text) => diagnostics.warn(text));
    this.camera = camera;
    const exposures = new Exposures(camera, clock, diagnostics);
    const line = this.buildLine({ log, link, exposures, pictures, ids: new ResultIds(bootNumber), lastSeq });
    this.line = line;
    link.onTrigger((request) => line.trigger(request));
    link.progress(() => this.progressed(camera));
    await link.start(signal);
    if (config.plc.acceptSimulated) link.alarm(Code.simulated, true); // contract: the switch raises an alarm
    this.owns('link', (by) => link.stop(by));
    this.timers.push(setInterval(() => this.refresh(), refreshEvery));
    this.timers.push(setInterval(() => void this.watchDisk(), freeSpaceEvery));
    await this.watchDisk();
    signal.throwIfAborted();

    const job = await this.prepare(camera, signal);
    if (job !== null) {
      line.use(job);
      await this.watchCamera(exposures, line, job, signal);
    }
    this.refresh();

    if (config.demo.plc) {
      const plc = new SimulatedPlc(
        {
          url: config.plc.url,
          base: config.plc.baseTopic,
          period: config.demo.period,
          rule: { tResult: config.plc.ttl, heartbeat: config.plc.heartbeat },
          heartbeat: true,
        },
        clock,
      );
      plc.start();
      this.owns('simulated PLC', () => plc.stop());
    }
  }

  /** Starts the camera; resolves when it is up or has said why it is not (it is tried again then): ready comes no sooner. */
  private async watchCamera(exposures: Exposures, line: Line, job: Job, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.exposures = exposures;
    let giveUp = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      giveUp = resolve;
      const told = (lost: boolean): void => {
        this.facts.cameraLost = lost;
        this.facts.started = true;
        this.refresh();
        resolve();
      };
      exposures.start(job.plan, {
        exposure: (shot) => line.exposure(shot),
        up: (info) => {
          this.diagnostics.info(info, 'camera up');
          told(false);
        },
        lost: (code, detail) => {
          line.cameraLost(code, detail);
          told(true);
        },
        ended: () => void this.cameraEnded(line),
        failed: (error) => {
          this.diagnostics.fatal({ code: error.code, details: error.details }, error.message);
          this.events.failed?.(error);
        },
      });
    });
    signal.addEventListener('abort', giveUp, { once: true });
    this.owns('camera', (by) => exposures.stop(by));
    this.owns('line', (by) => line.stop(by)); // goes first: parts under way are finished while camera and model stand
    await answered;
    signal.removeEventListener('abort', giveUp);
    signal.throwIfAborted();
  }

  /** Null (and the state says why) where there is nothing to judge with. */
  private async prepare(camera: ReturnType<typeof createCamera>, signal: AbortSignal): Promise<Job | null> {
    const { config, dataDir } = this.options;
    const { clock, diagnostics } = this;
    const say = (text: string) => this.events.progress(text);
    const engine = new Engine(config.inference, {
      clock,
      diagnostics,
      tensor: async (path, input) => (await readPicture(path, input)).tensor,
      engines: enginesOf(config.inference.engine, dataDir, { diagnostics, progress: say }),
    });
    this.owns('inference', (by) => engine.stop(by));
    try {
      const { job, inspector } = await prepare({ config, dataDir, clock, camera, engine, signal, say });
      this.inspector = inspector;
      this.facts.noJob = Code.ok;
      this.state.recipeId = job.plan.recipe.number;
      this.state.bundle = job.bundle.slice(0, 8);
      return job;
    } catch (thrown) {
      const code = thrown instanceof VerdictdError && !signal.aborted ? obstacles[thrown.code] : undefined;
      if (code === undefined) throw thrown;
      this.facts.noJob = code;
      const { message, details } = thrown as VerdictdError;
      diagnostics.error({ code, details }, message);
      this.events.progress(`not ready (${code}): ${message}`);
      return null;
    }
  }

  private buildLink(log: SqliteLog): MqttLink {
    const { config } = this.options;
    const { url, baseTopic, ttl, heartbeat, acceptSimulated, username, passwordFile, caFile, certFile, keyFile } = config.plc;
    return new MqttLink(
      {
        url,
        station: config.station.name,
        base: baseTopic,
        ttl,
        heartbeat,
        acceptSimulated,
        triggerMode: config.trigger.source === 'freeRun' ? 'freeRun' : 'software',
        maxOpen: config.line.maxOpen,
        username,
        passwordFile,
        caFile,
        certFile,
        keyFile,
      },
      {
        clock: this.clock,
        diagnostics: this.diagnostics,
        outbox: log,
        lastSeq: () => this.line?.lastSeq ?? 0,
        stats: () => this.tally.read(),
        onConnection: () => this.refresh(),
      },
    );
  }

  private buildLine(rooms: {
    log: SqliteLog;
    link: MqttLink;
    exposures: Exposures;
    pictures: Pictures;
    ids: ResultIds;
    lastSeq: number;
  }): Line {
    const { config } = this.options;
    const { log, link, exposures, pictures, ids, lastSeq } = rooms;
    const { acceptSimulated } = config.plc;
    const { acceptProvisional } = config.recipe;
    return new Line(
      {
        freeRun: this.facts.freeRun,
        ttl: config.plc.ttl,
        margin: config.plc.margin,
        maxOpen: config.line.maxOpen,
        lot: config.line.lot,
        config: config.sha256,
      },
      {
        clock: this.clock,
        exposures,
        inspector: {
          inspect: (frame, plan, by) =>
            this.inspector?.inspect(frame, plan, by) ?? Promise.reject(new VerdictdError('INFERENCE_FAILED', 'no model is loaded')),
        },
        log,
        publisher: link,
        judge: judgeBy({ acceptSimulated, acceptProvisional, teaching: () => false }),
        ids,
        diagnostics: this.diagnostics,
        notReady: () => {
          this.refresh();
          return this.state.code;
        },
        evidence: (report, frame, findings) => this.keep(pictures, report, frame, findings),
        report: (report) => {
          this.tally.add(report);
          if (report.ok === 1) this.accepted();
          this.events.report(report);
        },
      },
      lastSeq,
    );
  }

  /** The discrete output beside the message; a camera without one has nothing to do. */
  private accepted(): void {
    this.camera?.accept?.().catch((thrown: unknown) => this.diagnostics.error({ err: reason(thrown) }, 'accept output not energised'));
  }

  /** The heartbeat may move: camera, inference and log each gave a sign of life lately (contract, `heartbeat`). */
  private progressed(camera: Camera): boolean {
    const { heartbeat, ttl } = this.options.config.plc;
    const since = this.clock.now() - aliveFor(heartbeat, ttl);
    const camAlive = this.exposures === null || camera.health().alive >= since;
    const modelAlive = this.inspector === null || this.inspector.alive() >= since;
    return camAlive && modelAlive && (this.log?.alive() ?? 0) >= since;
  }

  private async cameraEnded(line: Line): Promise<void> {
    this.facts.cameraEnded = true;
    this.refresh();
    while (line.openParts > 0) await new Promise((done) => setTimeout(done, 5)); // each is closed by its deadline
    this.events.ended();
  }

  private async watchDisk(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.options.dataDir);
      this.diskLow = (bavail * bsize) / 2 ** 20 < this.options.config.log.minFree;
    } catch (thrown) {
      this.diskLow = true;
      this.diagnostics.error({ err: reason(thrown) }, 'the free space of the data directory cannot be read');
    }
  }

  /** Facts to state; tells the wire when it changed. */
  private refresh(): void {
    const { facts, log, link } = this;
    const { heartbeat, ttl, onBrokerLoss } = this.options.config.plc;
    const now = this.clock.now();
    facts.logLost = log !== null && log.alive() > 0 && (log.unwritten.waiting > 0 || log.alive() < now - aliveFor(heartbeat, ttl));
    facts.brokerHold = onBrokerLoss === 'hold' && !(link?.connected() ?? false);
    facts.plcSilent = link?.plcSilent() ?? false;
    facts.diskLow = this.diskLow;
    const next = { ...this.state, ...stateOf(facts), ep: this.inspector?.loaded()?.provider ?? this.state.ep };
    const changed = (Object.keys(next) as (keyof StationState)[]).some((key) => next[key] !== this.state[key]);
    this.state = next;
    if (!changed) return;
    if (link !== null) for (const [code, on] of alarmsOf(facts)) link.alarm(code, on);
    link?.state(next);
    this.events.state(next);
  }

  /** Copies what the picture needs, then gives the slot back. A picture that fails costs nothing but itself. */
  private keep(pictures: Pictures, { verdict }: Report, frame: Frame, findings: Findings | null): void {
    try {
      if (pictures.wants(verdict)) pictures.add(verdict, thumbnail(frame), findings?.map ?? null);
    } catch (thrown) {
      this.diagnostics.error({ resultId: verdict.part.resultId, err: reason(thrown) }, 'no picture of this part');
    }
    frame.release();
  }

  private owns(room: string, stop: Stop): void {
    this.undo.push({ room, stop });
  }
}

/** What keeps a station from judging without being a reason to end: it waits, and its state says why. */
const obstacles: Partial<Record<VerdictdError['code'], Code>> = {
  RECIPE_MISSING: Code.noRecipe,
  RECIPE_REFUSED: Code.noRecipe,
  TEACH_REFUSED: Code.noRecipe,
  BUNDLE_MISSING: Code.bundleRefused,
  BUNDLE_REFUSED: Code.bundleRefused,
  PROVIDER_UNAVAILABLE: Code.providerLost,
};

/** Alarms that a fact sets and clears (contract, fault table). */
function alarmsOf(facts: Facts): [Code, boolean][] {
  return [
    [Code.cameraLost, facts.cameraLost],
    [Code.diskLow, facts.diskLow],
    [Code.logUnavailable, facts.logLost],
    [Code.plcSilent, facts.plcSilent],
    ...Object.values(obstacles).map((code): [Code, boolean] => [code, facts.noJob === code]),
  ];
}
