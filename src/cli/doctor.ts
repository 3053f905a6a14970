/** `verdictd doctor`: what is wrong around the station, each with the exact fix. Changes nothing. */
import type { Command } from 'commander';
import { createSpinnaker } from '../camera/create';
import { ExitCode } from '../errors';
import { cameraChecks } from '../health/camera';
import { type Check, good } from '../health/check';
import type { Context } from './context';
import { stationRuns } from './running';

/** Of the BFS-U3-89S6C, px; other cameras are smaller. */
const sensor = { width: 4096, height: 2160 };

async function camera(context: Context): Promise<Check[]> {
  const config = context.config();
  if (config.camera.kind !== 'spinnaker') {
    return [good('camera.kind', `${config.camera.kind}: no hardware to check (--set camera.kind=spinnaker checks it all the same)`)];
  }
  const { serial, StreamBufferCountManual, Width, Height, PixelFormat } = config.camera.spinnaker;
  const bytes = /^(RGB|BGR)/.test(PixelFormat) ? 3 : 1;
  const spinnaker = createSpinnaker(config, () => undefined);
  return await cameraChecks({
    serial,
    buffers: StreamBufferCountManual,
    payload: (Width ?? sensor.width) * (Height ?? sensor.height) * bytes,
    list: stationRuns(context) ? null : () => spinnaker.borrow((native) => native.list()),
  });
}

export function register(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('Check the camera and what lies between it and this process; exit code 1 and the fix of each if something is wrong.')
    .action(async () => {
      const { io } = context;
      const checks = await camera(context);
      const ok = checks.every((check) => check.ok);
      if (!ok) context.exitCode = ExitCode.failed;
      if (io.json) {
        io.outJson({ ok, checks });
        return;
      }
      for (const { id, ok: fine, detail, fix } of checks) {
        io.out(`${fine ? 'ok  ' : 'BAD '} ${id.padEnd(20)} ${detail}`);
        if (fix !== null) io.out(`${' '.repeat(26)}-> ${fix}`);
      }
    });
}
