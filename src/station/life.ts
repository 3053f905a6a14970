/** Whether the station works: signs of life for the heartbeat, work done for the watchdog, and the canary where no part comes. */

import { Code } from '../codes';
import type { Diagnostics } from '../diagnostics';
import { InspectionError, reason } from '../errors';
import { Canary } from '../health/canary';
import type { Supervisor } from '../health/supervisor';
import { type Stage, Watchdog } from '../health/watchdog';
import type { ModelInspector } from '../inspect/inspector';
import type { Exposures } from '../line/exposures';
import type { Report } from '../line/line';
import type { Camera, Clock, Ms } from '../ports';
import type { SqliteLog } from '../store/log';

/** What there is to look at, as it comes and goes. */
export interface Working {
  camera: Camera | null;
  exposures: Exposures | null; // null: the camera is not in use yet, or has no more pictures
  inspector: ModelInspector | null;
  log: SqliteLog | null;
}

export interface LifeOptions {
  heartbeat: Ms;
  ttl: Ms;
}

/** A camera that streams is polled each second, and declared hung by its own room after five: what is older was overlooked there. */
const cameraLimit: Ms = 15_000;
/** One that is lost is started again every few seconds; a start may take 30 s. */
const lostCameraLimit: Ms = 90_000;
/** Three canaries in a row that were due and did not work. */
const workLimit: Ms = 60_000;
/** A worker that is replaced loads its model, for which TensorRT may build an engine. */
const revivalLimit: Ms = 16 * 60_000;
const canaryLook: Ms = 1_000;

/**
 * Without a sign of life for this long a room counts as stuck: the heartbeat stands still. Three heartbeats at the least; never less
 * than two of the longest pulse that an idle room gives, the camera's of a second.
 */
export function aliveFor({ heartbeat, ttl }: LifeOptions): Ms {
  return Math.max(3 * heartbeat, ttl, 2_000);
}

export class Life {
  private readonly canary: Canary;
  private readonly watchdog: Watchdog;
  private timer: NodeJS.Timeout | null = null;
  /** The last self-test failed: until one passes a score proves nothing, and the canary asks on. */
  private wrong = false;

  constructor(
    private readonly options: LifeOptions,
    private readonly rooms: () => Working,
    private readonly deps: { clock: Clock; diagnostics: Diagnostics; supervisor: Supervisor; selfTest: (passed: boolean) => void },
  ) {
    const { clock, diagnostics, supervisor } = deps;
    this.canary = new Canary(() => {
      const { inspector, log } = this.rooms();
      return {
        clock,
        inspect: inspector === null ? null : (by) => inspector.selfTest(by),
        write: () => log?.probe() ?? Promise.resolve(),
        done: (stage, failure) => this.sang(stage, failure),
      };
    });
    this.watchdog = new Watchdog(() => this.stages(), supervisor, clock, diagnostics);
  }

  /** The station is up: from here on work is expected. */
  start(): void {
    this.canary.worked('inference');
    this.canary.worked('log');
    this.watchdog.start();
    this.timer = setInterval(() => this.canary.look(), canaryLook);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.watchdog.stop();
  }

  /** A part has been through: what it proves. */
  part({ verdict }: Pick<Report, 'verdict'>): void {
    if (verdict.score !== null && !this.wrong) this.canary.worked('inference');
    if (verdict.code !== Code.logUnavailable) this.canary.worked('log');
  }

  /** The heartbeat may move: camera, inference and log each gave a sign of life lately (contract, `heartbeat`). */
  progressed(): boolean {
    const { camera, exposures, inspector, log } = this.rooms();
    const since = this.deps.clock.now() - aliveFor(this.options);
    const camAlive = exposures === null || (camera?.health().alive ?? 0) >= since;
    const modelAlive = inspector === null || inspector.alive() >= since;
    return camAlive && modelAlive && (log?.alive() ?? 0) >= since;
  }

  /** What the watchdog looks at. A log that refuses (full disk) but answers is a state, and no reason to start again. */
  stages(): Stage[] {
    const { camera, exposures, inspector, log } = this.rooms();
    const stages: Stage[] = [];
    if (exposures !== null) {
      const alive = camera?.health().alive ?? 0;
      stages.push(
        exposures.connected
          ? { name: 'camera', last: Math.max(alive, exposures.tried), limit: cameraLimit } // its start is a sign, before the first poll
          : { name: 'camera', last: Math.max(alive, exposures.tried), limit: lostCameraLimit },
      );
    }
    if (inspector !== null) {
      const limit = inspector.reviving() ? revivalLimit : workLimit;
      stages.push({ name: 'inference', last: this.canary.lastWork('inference'), limit });
    }
    if (log !== null) stages.push({ name: 'log', last: this.canary.lastWork('log'), limit: workLimit });
    return stages;
  }

  private sang(stage: 'inference' | 'log', failure: unknown): void {
    const { diagnostics, clock, selfTest } = this.deps;
    if (failure === null) {
      if (stage !== 'inference') return;
      this.wrong = false;
      selfTest(true);
      return;
    }
    diagnostics.error({ stage, err: reason(failure) }, 'the canary failed');
    if (failure instanceof InspectionError && failure.wire === Code.selfTest) {
      this.wrong = true;
      selfTest(false);
    }
    // An answer, if only a refusal, is work of the log's thread: its disk is told of by state and alarms.
    const { log } = this.rooms();
    if (stage === 'log' && log !== null && log.alive() >= clock.now() - aliveFor(this.options)) this.canary.worked('log');
  }
}
