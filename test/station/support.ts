import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { renderPart } from '../../src/camera/simulated/render';
import { systemClock } from '../../src/clock';
import { type Config, loadConfig } from '../../src/config/load';
import type { Report } from '../../src/line/line';
import type { StationState } from '../../src/ports';
import { Station } from '../../src/station';
import { keptDiagnostics, until } from '../plc/support';

export { until };
export const width = 256;
export const height = 136;

export function folder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/**
 * Pictures of parts of one product: `good/` and `test/gouge/`, so that the truth is in the path. A gouge is a checkered bar across
 * the part that no model can miss: this room tests the way of a verdict, not the model.
 */
export async function pictures(dir: string, good: number, defective: number, product = 2): Promise<string> {
  const write = async (sub: string, part: number, gouged: boolean) => {
    mkdirSync(join(dir, sub), { recursive: true });
    const { rgb } = renderPart({ family: 'plate', product, seed: 5, part, width, height });
    if (gouged) {
      for (let y = 40; y < 90; y++)
        for (let x = 60; x < 200; x++) rgb.fill(((x >> 2) + (y >> 2)) % 2 === 0 ? 0 : 255, (y * width + x) * 3, (y * width + x) * 3 + 3);
    }
    await sharp(rgb, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(dir, sub, `${String(part).padStart(3, '0')}.png`));
  };
  for (let part = 0; part < good; part++) await write('good', part, false);
  for (let part = 0; part < defective; part++) await write('test/gouge', 500 + part, true);
  return dir;
}

/** A configuration for tests: nothing listens on a port that others may have. */
export function configure(set: Record<string, string | number | boolean>): Config {
  const base: Record<string, string | number | boolean> = {
    'station.name': 't1',
    'camera.simulated.width': width,
    'camera.simulated.height': height,
    'camera.simulated.product': 2,
    'inference.providers': 'cpu',
    'log.minFree': 16,
    'recipe.active': 'plate',
    'plc.heartbeat': 100,
  };
  const all = Object.entries({ ...base, ...set }).map(([key, value]) => `${key}=${value}`);
  return loadConfig({ file: null, env: {}, set: all });
}

export interface Running {
  station: Station;
  reports: Report[];
  states: StationState[];
  said: string[];
  lines: { level: number; msg: string }[];
  ended: () => boolean;
  stop: () => Promise<void>;
}

export function build(config: Config, dataDir: string): Running {
  const { diagnostics, lines } = keptDiagnostics();
  const reports: Report[] = [];
  const states: StationState[] = [];
  const said: string[] = [];
  let ended = false;
  const station = new Station({ config, dataDir }, diagnostics, {
    report: (report) => reports.push(report),
    state: (state) => states.push(state),
    progress: (text) => said.push(text),
    ended: () => {
      ended = true;
    },
  });
  return { station, reports, states, said, lines, ended: () => ended, stop: () => station.stop(systemClock.now() + 5_000) };
}

export const never = new AbortController().signal;
