/** What the running station answers on its control socket; see control/. The camera is its own: nobody else may look for cameras. */
import { z } from 'zod';
import { byHand, type HandCamera, listHeld, readFeatures, userSets } from '../camera/hand';
import type { Code } from '../codes';
import { type Calls, WithBytes } from '../control/calls';
import { VerdictdError } from '../errors';
import type { ModelInspector } from '../inspect/inspector';
import { type CommandName, type Commands, commandTable } from '../line/commands';
import type { Exposures } from '../line/exposures';
import type { Line } from '../line/line';
import { version } from '../package';
import type { Camera, CameraHealth, Ms, StationState, Stats } from '../ports';
import type { SqliteLog } from '../store/log';
import type { WatchStatus } from '../watch/watch';

export interface Status {
  version: string;
  state: string;
  sub: string;
  ready: 0 | 1;
  code: Code;
  recipeId: number;
  bundle: string;
  config: string;
  bootId: string;
  uptime: number; // s
  broker: boolean; // connected
  openParts: number;
  lastSeq: number;
  stats: Stats;
  camera: CameraHealth | null;
  inference: { provider: string; restarts: number } | null;
  log: { waiting: number; dropped: number };
  watch: WatchStatus;
  idle: { stage: string; ms: Ms }[]; // since each stage last did work
}

/** The rooms a status is read from, as they are now. */
export interface Seen {
  state: StationState;
  uptime: Ms;
  broker: boolean;
  line: Pick<Line, 'openParts' | 'lastSeq'> | null;
  stats: Stats;
  camera: Camera | null;
  inspector: ModelInspector | null;
  log: SqliteLog | null;
  watch: WatchStatus;
  stages: { stage: string; ms: Ms }[];
}

export interface Serving {
  status: () => Seen;
  camera: () => Camera | null;
  exposures: () => Exposures | null;
  openParts: () => number;
  commands: Pick<Commands, 'run'>;
}

const nothing = z.strictObject({});
const commandNames = z.enum(Object.keys(commandTable) as [CommandName, ...CommandName[]]);
const featureName = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/);

export function serveStation(calls: Calls, serving: Serving): void {
  calls.add('status', { args: nothing, limit: 5_000, run: () => statusOf(serving.status()) });

  // The same table as the wire's `cmd`; a refusal is an answer, with the code of the contract and the reason in words.
  calls.add('cmd', {
    args: z.strictObject({ cmd: commandNames, arg: z.string().max(256).default('') }),
    limit: 600_000,
    run: ({ cmd, arg }) => serving.commands.run(cmd, arg),
  });

  calls.add('camera.list', { args: nothing, limit: 10_000, run: () => listHeld(handled(serving)) });

  calls.add('camera.features', {
    args: z.strictObject({ names: z.array(featureName).max(1000) }),
    limit: 120_000,
    run: ({ names }, signal) => handled(serving).ask((camera) => readFeatures(camera, names, signal)),
  });

  calls.add('camera.snap', {
    args: z.strictObject({ timeout: z.int().min(10).max(600_000) }),
    limit: 660_000,
    run: async ({ timeout }, signal) => {
      const camera = handled(serving);
      const { data, ...facts } = await lent(serving, () => camera.snap({ camera: {} }, timeout, signal));
      return new WithBytes(facts, data);
    },
  });

  calls.add('camera.userset.save', {
    args: z.strictObject({ set: z.enum(userSets) }),
    limit: 60_000,
    run: async ({ set }, signal) => {
      const camera = handled(serving);
      await lent(serving, () => camera.saveUserSet({ camera: {} }, set, signal));
      return { set };
    },
  });
}

function statusOf({ state: all, uptime, broker, line, stats, camera, inspector, log, watch, stages }: Seen): Status {
  const { state, sub, ready, code, recipeId, bundle, config, bootId } = all;
  return {
    version,
    ...{ state, sub, ready, code, recipeId, bundle, config, bootId },
    uptime: Math.round(uptime / 1000),
    broker,
    openParts: line?.openParts ?? 0,
    lastSeq: line?.lastSeq ?? 0,
    stats,
    camera: camera?.health() ?? null,
    inference: inspector === null ? null : { provider: inspector.loaded()?.provider ?? '', restarts: inspector.restarts() },
    log: log?.unwritten ?? { waiting: 0, dropped: 0 },
    watch,
    idle: stages,
  };
}

function handled({ camera }: Serving): HandCamera {
  const now = camera();
  if (byHand(now)) return now;
  throw new VerdictdError('CAMERA_FAILED', 'The station runs on a camera without features, or on none. Set camera.kind to a real one.');
}

/** The stream makes room for `use`, between parts: none is lost for a picture that a person wants. */
async function lent<T>({ exposures, openParts }: Serving, use: () => Promise<T>): Promise<T> {
  const stream = exposures();
  if (stream === null) throw new VerdictdError('CAMERA_FAILED', 'The camera is not in use yet. Wait until the station is up.');
  if (openParts() > 0) throw new VerdictdError('CAMERA_FAILED', 'Parts are under way; the camera is lent between parts only. Try again.');
  return await stream.lend(use);
}
