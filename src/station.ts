/**
 * The composition root: the one place (beside the command line) that constructs adapters. `start` brings the rooms up in the order
 * in which they depend on each other and can be aborted between any two; `stop` takes them down in reverse, each with a deadline.
 */

import { join } from 'node:path';
import { createCamera } from './camera/create';
import { systemClock } from './clock';
import { Code } from './codes';
import type { Config } from './config/load';
import { Calls } from './control/calls';
import { ControlServer } from './control/server';
import type { Diagnostics } from './diagnostics';
import { reason, VerdictdError } from './errors';
import { Pictures } from './evidence/pictures';
import { Supervisor } from './health/supervisor';
import type { Commands } from './line/commands';
import { Exposures } from './line/exposures';
import { bootId, bootNumberOf, ResultIds } from './line/ids';
import type { Line, Report } from './line/line';
import { type Facts, firstFacts, stateOf } from './line/states';
import { Tally } from './line/tally';
import { lockDataDir } from './lock';
import { EmbeddedBroker } from './plc/broker';
import type { MqttLink } from './plc/link';
import type { Camera, Clock, Ms, Plan, StationState, Stats } from './ports';
import { alarmsOf } from './station/alarms';
import { recipeCommands, stationCommands } from './station/commands';
import { serveStation } from './station/control';
import { startDemo } from './station/demo';
import type { Disk } from './station/disk';
import { keepEvidence } from './station/evidence';
import { Judging } from './station/judging';
import { keepingOf } from './station/keeping';
import { aliveFor, Life, type Working } from './station/life';
import { lineOf } from './station/line';
import { linkOf } from './station/link';
import { Lot } from './station/lot';
import { serveRecords } from './station/records';
import { Rooms } from './station/rooms';
import { serveRecipes } from './station/serving';
import { serveWatch, watchOf } from './station/watching';
import { SqliteLog } from './store/log';
import type { Watch } from './watch/watch';

export interface StationOptions {
  config: Config;
  dataDir: string; // absolute, exists
  /** Who restarts this process; nobody where it is left out. */
  supervisor?: Supervisor;
  /** Earlier starts have crashed one after another: state and alarms only, no camera, no model. */
  safe?: boolean;
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
export class Station {
  private readonly clock: Clock;
  private readonly rooms: Rooms;
  private readonly facts: Facts;
  private state: StationState;
  private timers: NodeJS.Timeout[] = [];
  private link: MqttLink | null = null;
  private line: Line | null = null;
  private log: SqliteLog | null = null;
  private readonly judging: Judging;
  private camera: Camera | null = null;
  /** The camera's stream; `exposures` once it was started. */
  private stream: Exposures | null = null;
  private exposures: Exposures | null = null;
  private starting: AbortSignal = new AbortController().signal;
  private disk: Disk | null = null;
  private lot: Lot | null = null;
  private readonly life: Life;
  private readonly watch: Watch;
  private readonly born: Ms;
  /** What commands on this machine may ask; rooms add to it. */
  readonly calls = new Calls();
  private readonly tally = new Tally(() => this.line?.counts.triggers ?? 0);
  /** One table for every door: MQTT, the control socket, the review page. */
  readonly commands: Commands;

  constructor(
    private readonly options: StationOptions,
    private readonly diagnostics: Diagnostics,
    private readonly events: StationEvents,
    clock: Clock = systemClock,
  ) {
    const { config } = options;
    this.clock = clock;
    this.born = clock.now();
    this.rooms = new Rooms(clock, diagnostics);
    this.facts = firstFacts(config.trigger.source === 'freeRun');
    this.commands = stationCommands({
      ...{ clock, facts: this.facts, line: () => this.line, changed: () => this.refresh(), clearStats: () => this.tally.clear() },
      acknowledge: () => this.watch.acknowledge(),
      code: () => this.state.code,
      replay: (from, to) => this.link?.replay(from, to) ?? Promise.reject(new Error('the station is still starting')),
    });
    this.watch = watchOf(config, options.dataDir, {
      ...{ clock, diagnostics, alarm: (code, on) => this.link?.alarm(code, on), event: (kind, detail) => this.noted(kind, detail) },
      operational: () => this.state.state === 'Operational',
      triggers: () => (this.line?.counts.triggers ?? 0) + (this.line?.counts.parts ?? 0),
      halt: () => void this.commands.run('halt', ''),
    });
    this.judging = new Judging({
      ...{ config, dataDir: options.dataDir, clock, diagnostics, facts: this.facts, rooms: this.rooms },
      ...{ log: () => this.log, line: () => this.line, bootId: () => this.state.bootId },
      show: (plan) => this.show(plan),
      drain: () => this.link?.drain(),
      changed: () => this.refresh(),
      say: (text) => this.events.progress(text),
    });
    recipeCommands(this.commands, this.judging, options.dataDir, config.recipe.teach);
    this.state = { ...stateOf(this.facts), recipeId: 0, ep: '', bundle: '', config: config.sha256.slice(0, 8), bootId: '' };
    const { supervisor = new Supervisor({}, diagnostics) } = options;
    this.life = new Life(config.plc, () => this.working(), { clock, diagnostics, supervisor, selfTest: (passed) => this.selfTest(passed) });
  }

  /**
   * Resolves when the station is up: Operational, or waiting in a state that says what is missing (no recipe, bundle refused,
   * camera absent, broker absent are states, not failures). Rejects for what no waiting mends; everything started is stopped then.
   */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await this.bringUp(signal);
      this.life.start();
    } catch (thrown) {
      await this.stop(this.clock.now() + 5_000);
      throw signal.aborted ? new VerdictdError('ABORTED', 'Stopped while the station was starting.', { cause: thrown }) : thrown;
    }
  }

  /** Takes every room down in reverse order by `by`; safe at any moment, more than once. */
  async stop(by: Ms): Promise<void> {
    this.facts.stopping = true;
    this.life.stop();
    this.refresh();
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    await this.rooms.stopAll(by);
  }

  get current(): StationState {
    return this.state;
  }

  private async bringUp(signal: AbortSignal): Promise<void> {
    const { config, dataDir } = this.options;
    const { clock, diagnostics } = this;

    const lock = lockDataDir(dataDir);
    this.rooms.add('lock', async () => lock.close());

    const log = new SqliteLog({
      dir: dataDir,
      bootId,
      bootNumberOf,
      notice: (text) => diagnostics.warn(text),
      caughtUp: () => this.link?.drain(),
      failed: (error) => {
        diagnostics.fatal({ code: error.code }, error.message);
        this.events.failed?.(error);
      },
    });
    this.log = log;
    const { lastSeq, bootNumber, aborted } = await log.start(signal);
    this.rooms.add('log', (by) => log.stop(by));
    this.state.bootId = bootId(bootNumber);
    if (aborted > 0) diagnostics.warn({ parts: aborted }, 'parts that an earlier run left open are closed as Aborted');
    signal.throwIfAborted();

    const { disk, retention } = keepingOf(config, dataDir, { log, clock, diagnostics, dropped: (n) => this.watch.dropped(n) });
    this.disk = disk;
    retention.start();
    this.rooms.add('retention', (by) => retention.stop(by));
    const lot = new Lot(dataDir, config.line.lot, log);
    this.lot = lot;
    await lot.start(diagnostics);
    lot.serve(this.calls);

    await this.listen();

    if (config.broker.embedded) {
      const broker = new EmbeddedBroker(config.broker, clock, diagnostics);
      await broker.start(signal);
      this.rooms.add('broker', (by) => broker.stop(by));
    }

    const link = this.buildLink(log);
    this.link = link;
    link.state({ ...this.state }); // with the first connection: the broker may still hold the `state` of a run that was killed
    const pictures = new Pictures(
      {
        dir: join(dataDir, 'images'),
        keep: config.evidence.pictures,
        onePassIn: config.evidence.onePassIn,
        full: config.evidence.full,
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
    this.rooms.add('pictures', (by) => pictures.stop(by));

    const camera = createCamera(config, (text) => diagnostics.warn(text));
    this.camera = camera;
    const exposures = new Exposures(camera, clock, diagnostics, config.trigger.source === 'mqtt');
    this.stream = exposures;
    this.starting = signal;
    const line = this.buildLine({ log, link, exposures, pictures, ids: new ResultIds(bootNumber), lastSeq });
    this.line = line;
    link.onTrigger((request) => line.trigger(request));
    link.progress(() => this.life.progressed());
    await link.start(signal);
    if (config.plc.acceptSimulated) link.alarm(Code.simulated, true); // contract: the switch raises an alarm
    this.rooms.add('link', (by) => link.stop(by));
    this.timers.push(setInterval(() => this.refresh(), refreshEvery));
    this.timers.push(setInterval(() => void this.watchDisk(), freeSpaceEvery));
    await this.watchDisk();
    signal.throwIfAborted();

    if (this.options.safe === true) {
      this.facts.noJob = Code.selfTest;
      this.refresh();
      return;
    }
    this.watch.start();
    this.rooms.add('watch', () => this.watch.stop());
    await this.judging.begin(camera, signal);
    this.refresh();

    startDemo(config, this.rooms, clock);
  }

  /** Starts the camera; resolves when it is up or has said why it is not (it is tried again then): ready comes no sooner. */
  private async watchCamera(exposures: Exposures, line: Line, plan: Plan, signal: AbortSignal): Promise<void> {
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
      exposures.start(plan, {
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
    this.rooms.add('camera', (by) => exposures.stop(by));
    this.rooms.add('line', (by) => line.stop(by)); // goes first: parts under way are finished while camera and model stand
    await answered;
    signal.removeEventListener('abort', giveUp);
    signal.throwIfAborted();
  }

  /** The camera shows its parts under `plan`: from its first start on, or by beginning its stream again. */
  private async show(plan: Plan): Promise<void> {
    const { line, exposures, stream, starting } = this;
    if (exposures !== null) exposures.use(plan);
    else if (line !== null && stream !== null) await this.watchCamera(stream, line, plan, starting);
  }

  private buildLink(log: SqliteLog): MqttLink {
    return linkOf(this.options.config, {
      clock: this.clock,
      diagnostics: this.diagnostics,
      outbox: log,
      lastSeq: () => this.line?.lastSeq ?? 0,
      stats: () => this.stats(),
      onConnection: (connected) => {
        if (!connected) this.line?.disconnected();
        this.refresh();
      },
      command: (cmd, arg) => this.commands.runNumber(cmd, arg),
      entries: (after, n) => log.entries(after, n),
    });
  }

  private buildLine(rooms: {
    log: SqliteLog;
    link: MqttLink;
    exposures: Exposures;
    pictures: Pictures;
    ids: ResultIds;
    lastSeq: number;
  }): Line {
    const { log, link, exposures, pictures, ids, lastSeq } = rooms;
    return lineOf(
      this.options.config,
      {
        clock: this.clock,
        exposures,
        inspector: this.judging,
        log,
        publisher: link,
        ids,
        diagnostics: this.diagnostics,
        mismatch: () => {
          this.facts.mismatch = true;
          this.refresh();
        },
        notReady: () => {
          this.refresh();
          return this.state.code;
        },
        evidence: (report, frame, findings) => {
          this.judging.part(report, { frame, findings });
          const { diagnostics, disk } = this;
          keepEvidence(pictures, report.verdict, frame, findings, { room: disk?.roomForPictures !== false, diagnostics });
        },
        report: (report) => {
          this.tally.add(report);
          this.life.part(report);
          this.watch.part(report.verdict, report.quality ?? null);
          if (report.verdict.frameId === null) this.judging.part(report, null);
          if (report.ok === 1) this.accepted(report);
          this.events.report(report);
        },
      },
      lastSeq,
      { teaching: () => this.judging.withheld, masterDue: () => this.facts.masterDue },
      () => this.lot?.current ?? '',
    );
  }

  /** The discrete output beside the message; a camera without one has nothing to do. */
  private accepted({ verdict }: Report): void {
    const by = verdict.part.opened + this.options.config.plc.ttl;
    this.camera?.accept?.(by).catch((thrown: unknown) => this.diagnostics.error({ err: reason(thrown) }, 'accept output not energised'));
  }

  private working(): Working {
    const { camera, log } = this;
    const { inspector } = this.judging;
    return { camera, exposures: this.facts.cameraEnded ? null : this.exposures, inspector, log };
  }

  /** The canary's word on the model: a wrong score takes the station out of service, a right one brings it back. */
  private selfTest(passed: boolean): void {
    this.facts.selfTestFailed = !passed;
    this.refresh();
  }

  /** The control socket; a station without one still judges. */
  private async listen(): Promise<void> {
    serveStation(this.calls, {
      status: () => ({
        state: this.state,
        uptime: this.clock.now() - this.born,
        broker: this.link?.connected() ?? false,
        line: this.line,
        stats: this.tally.read(),
        camera: this.camera,
        inspector: this.judging.inspector,
        log: this.log,
        watch: this.watch.status(),
        stages: this.life.stages().map(({ name, last }) => ({ stage: name, ms: Math.round(this.clock.now() - last) })),
      }),
      camera: () => this.camera,
      exposures: () => this.exposures,
      openParts: () => this.line?.openParts ?? 0,
      commands: this.commands,
    });
    if (this.log !== null) this.serve(this.log);
    const server = new ControlServer(this.options.dataDir, this.calls, this.diagnostics);
    this.rooms.add('control socket', () => server.stop());
    await server
      .start()
      .catch((thrown: unknown) => this.diagnostics.error({ err: reason(thrown) }, 'commands cannot ask this station while it runs'));
  }

  private serve(log: SqliteLog): void {
    const records = { dataDir: this.options.dataDir, log };
    serveRecords(this.calls, records);
    serveWatch(this.calls, this.watch, log);
    serveRecipes(this.calls, this.judging, records, () => this.clock.wall().utc);
  }

  private stats(): Stats {
    const counts = { ...this.tally.read(), watch: this.watch.figures() };
    return this.camera === null ? counts : { ...counts, camera: this.camera.health() };
  }

  private async noted(kind: string, detail: string): Promise<void> {
    await this.log?.event(kind, detail);
    this.link?.drain();
  }

  private async cameraEnded(line: Line): Promise<void> {
    this.facts.cameraEnded = true;
    this.refresh();
    while (line.openParts > 0) await new Promise((done) => setTimeout(done, 5)); // each is closed by its deadline
    this.events.ended();
  }

  private async watchDisk(): Promise<void> {
    await this.disk?.look();
    this.link?.alarm(Code.diskLow, this.disk?.alarm ?? false);
  }

  /** Facts to state; tells the wire when it changed. */
  private refresh(): void {
    const { facts, log, link, judging } = this;
    const { onBrokerLoss } = this.options.config.plc;
    const now = this.clock.now();
    facts.logLost = log !== null && log.alive() > 0 && (log.unwritten.waiting > 0 || log.alive() < now - aliveFor(this.options.config.plc));
    facts.brokerHold = onBrokerLoss === 'hold' && !(link?.connected() ?? false);
    facts.plcSilent = link?.plcSilent() ?? false;
    facts.foreignRig = link?.foreignRig() ?? false;
    this.line?.edges(this.camera?.health().values?.missedTriggers ?? 0);
    facts.diskLow = this.disk?.low ?? false;
    if (log !== null && log.unwritten.waiting > 0) void this.watchDisk();
    const next = {
      ...this.state,
      ...stateOf(facts),
      ep: judging.inspector?.loaded()?.provider ?? this.state.ep,
      recipeId: judging.recipeId,
      bundle: judging.bundle,
    };
    void this.watch.inForce(judging.watched);
    const changed = (Object.keys(next) as (keyof StationState)[]).some((key) => next[key] !== this.state[key]);
    this.state = next;
    // Each time: a fact may come or go behind another that the state tells of.
    if (link !== null) for (const [code, on] of alarmsOf(facts)) link.alarm(code, on);
    if (!changed) return;
    link?.state(next);
    this.events.state(next);
  }
}
