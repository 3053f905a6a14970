/** `verdictd doctor`: what is wrong around the station, each with the exact fix. Leaves nothing behind. */
import type { Command } from 'commander';
import { defaultBundleDir, loadBundle } from '../bundle/load';
import type { Bundle } from '../bundle/manifest';
import { createAravis, createSpinnaker } from '../camera/create';
import { readPicture } from '../camera/picture';
import { systemClock } from '../clock';
import { alarms, Code, codes } from '../codes';
import { ExitCode, reason, VerdictdError } from '../errors';
import { aravisChecks } from '../health/aravis';
import { brokerCheck } from '../health/broker';
import { cameraChecks } from '../health/camera';
import { bad, type Check, good } from '../health/check';
import { modelChecks } from '../health/model';
import { placeChecks } from '../health/place';
import { Engine } from '../inspect/engine';
import type { Loaded } from '../inspect/protocol';
import type { InputSpec, Ms } from '../ports';
import type { Recipe } from '../recipe/recipe';
import { loadRecipe } from '../recipe/store';
import type { Status } from '../station/control';
import type { Context } from './context';
import { askStation, stationRuns } from './running';
import { watchLines } from './status';

/** Of the BFS-U3-89S6C, px; other cameras are smaller. */
const sensor = { width: 4096, height: 2160 };

async function camera(context: Context): Promise<Check[]> {
  const config = context.config();
  if (config.camera.kind === 'aravis') {
    const { device, buffers, socketBuffer, Width, Height, PixelFormat } = config.camera.aravis;
    const payload = (Width ?? sensor.width) * (Height ?? sensor.height) * (/^(RGB|BGR)/.test(PixelFormat ?? '') ? 3 : 1);
    const aravis = createAravis(config, () => undefined);
    const list = stationRuns(context) ? null : () => aravis.borrow((native) => native.list());
    return await aravisChecks({ device, buffers, payload, socketBuffer, list });
  }
  if (config.camera.kind !== 'spinnaker') {
    return [
      good('camera.kind', `${config.camera.kind}: no hardware to check (--set camera.kind=spinnaker, or aravis, checks it all the same)`),
    ];
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

/** Time to judge the golden picture, and to let go of the model. */
const stopWithin: Ms = 10_000;

async function infer(context: Context, bundle: Bundle, recipe: Recipe | null): Promise<Loaded> {
  const { inference } = context.config();
  const tensor = async (path: string, input: InputSpec) => (await readPicture(path, input)).tensor;
  const engine = new Engine(inference, { clock: systemClock, diagnostics: context.diagnostics(), tensor, engines: context.engines() });
  try {
    engine.start();
    return await engine.load(bundle, recipe, context.signal);
  } finally {
    await engine.stop(systemClock.now() + stopWithin);
  }
}

function configuration(context: Context): Check {
  const file = context.configFile;
  try {
    const { sha256 } = context.config();
    return good('config', `${file ?? 'every key has its default'}: valid, ${sha256.slice(0, 8)}`);
  } catch (thrown) {
    const details = thrown instanceof VerdictdError ? thrown.details : [];
    return bad('config', [reason(thrown), ...details].join('; '), `Correct these; verdictd config check ${file ?? 'FILE'} reads it again`);
  }
}

/** The running station's own word; null where none runs. */
async function station(context: Context): Promise<{ check: Check; status: Status | null } | null> {
  if (!stationRuns(context)) return null;
  const id = 'station';
  try {
    const status = (await askStation(context, 'status', {})).value as Status;
    const { state, code, ready } = status;
    if (code === Code.ok || state === 'Operational') return { check: good(id, `runs, ${state}, ready ${ready}`), status };
    return { check: bad(id, `runs, ${state}: ${code} ${codes[code].text}`, codes[code].fix), status };
  } catch (thrown) {
    return { check: bad(id, `runs, and does not answer: ${reason(thrown)}`, 'systemctl restart verdictd'), status: null };
  }
}

/** What the running station has seen of its line lately; nothing where none runs. */
function* line(status: Status | null): Generator<Check> {
  if (status === null) return;
  const { watch } = status;
  const [rejects = '', drift = ''] = watchLines(watch);
  if (watch.alarms.length === 0) yield good('line', `${rejects}; ${drift}`);
  for (const code of watch.alarms) yield bad('line', `alarm ${code}: ${alarms[code].text}; ${rejects}; ${drift}`, alarms[code].fix);
}

async function* everything(context: Context): AsyncGenerator<Check> {
  const configured = configuration(context);
  yield configured;
  if (!configured.ok) return; // nothing else can be asked for
  const { plc, broker, recipe, inference, bundle, log } = context.config();
  const dataDir = context.dataDir();
  const runs = await station(context);
  if (runs !== null) yield runs.check;
  yield* line(runs?.status ?? null);
  yield* placeChecks({ dataDir, minFree: log.minFree, commitTime: plc.ttl - plc.margin, clock: systemClock });
  yield* await camera(context);
  const bundlePath = bundle.path ?? defaultBundleDir();
  yield* await modelChecks({
    bundlePath,
    active: recipe.active,
    autoTeach: recipe.teach.auto,
    providers: inference.providers,
    bundle: () => loadBundle(bundlePath),
    recipe: (id) => loadRecipe(dataDir, id),
    infer: (model, taught) => infer(context, model, taught),
    running: runs === null ? null : { provider: runs.status?.inference?.provider ?? '' },
  });
  yield await brokerCheck({
    ...plc,
    base: plc.baseTopic,
    station: context.config().station.name,
    embeddedAndDown: broker.embedded && runs === null,
  });
}

export function register(program: Command, context: Context): void {
  program
    .command('doctor')
    .description(
      'Check configuration, data directory, disk, clock, camera, model and broker, each by using it; exit code 1 and the fix of each if something is wrong.',
    )
    .action(async () => {
      const { io } = context;
      const checks: Check[] = [];
      for await (const check of everything(context)) {
        context.signal.throwIfAborted();
        checks.push(check);
        if (io.json) continue;
        io.out(`${check.ok ? 'ok  ' : 'BAD '} ${check.id.padEnd(20)} ${check.detail}`);
        if (check.fix !== null) io.out(`${' '.repeat(26)}-> ${check.fix}`);
      }
      const ok = checks.every((check) => check.ok);
      if (!ok) context.exitCode = ExitCode.failed;
      if (io.json) io.outJson({ ok, checks });
    });
}
