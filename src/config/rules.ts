/** Combinations of values that cannot be, each good in itself. Listed in docs/config.md as they stand here. */
import { spanOf } from '../shifts';
import { cameras, executionProviders, type Values } from './schema';

interface Finding {
  path: string; // the key that is refused
  expected: string;
}

export interface Rule {
  /** For the docs: what is refused, and why. */
  about: string;
  /** Keys it looks at: while one of them is wrong in itself, the rule is not asked. */
  paths: readonly string[];
  find(values: Values): Finding | null;
}

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i;

/** True where the broker's URL names this machine; null is the broker on this machine. */
export function isLoopback(url: string | null): boolean {
  return url === null || loopbackHost.test(new URL(url).hostname);
}

/** Minutes of the day: none begins before the one before it ended, and the last is over before the first begins again. */
function inOrder(spans: readonly { from: number; length: number }[]): boolean {
  return spans.every(({ from, length }, i) => from + length <= (spans[i + 1]?.from ?? (spans[0]?.from ?? 0) + 24 * 60));
}

function isReal(values: Values): boolean {
  const row: { real: boolean } = cameras[values.camera.kind];
  return row.real;
}

export const rules: readonly Rule[] = [
  {
    about:
      'line.shifts out of order, or two at once: each begins when or after the one before has ended, the last ends before the first begins',
    paths: ['line.shifts'],
    find: ({ line }) =>
      inOrder(line.shifts.map(spanOf)) ? null : { path: 'line.shifts', expected: 'shifts in the order of the day, one at a time' },
  },
  {
    about: 'images.minFree below log.minFree: the station would stop before a picture is deleted for space',
    paths: ['images.minFree', 'log.minFree'],
    find: ({ images, log }) =>
      images.minFree >= log.minFree ? null : { path: 'images.minFree', expected: `at least log.minFree, which is ${log.minFree} MiB` },
  },
  {
    about: 'images.unreviewedDays below images.notOkDays: what nobody has judged is kept at least as long as what somebody has',
    paths: ['images.unreviewedDays', 'images.notOkDays'],
    find: ({ images }) =>
      images.unreviewedDays >= images.notOkDays
        ? null
        : { path: 'images.unreviewedDays', expected: `at least images.notOkDays, which is ${images.notOkDays} d` },
  },
  {
    about: 'plc.margin must be below plc.ttl: a part is answered so long before its verdict expires',
    paths: ['plc.margin', 'plc.ttl'],
    find: ({ plc }) => (plc.margin < plc.ttl ? null : { path: 'plc.margin', expected: `less than plc.ttl, which is ${plc.ttl} ms` }),
  },
  {
    about: 'plc.acceptSimulated with a real camera: nothing simulated may open the gate of a running line',
    paths: ['plc.acceptSimulated', 'camera.kind'],
    find: (values) =>
      values.plc.acceptSimulated && isReal(values)
        ? { path: 'plc.acceptSimulated', expected: `false with camera.kind ${values.camera.kind}, as it is a real camera` }
        : null,
  },
  {
    about: 'camera.kind files without camera.files.paths',
    paths: ['camera.kind', 'camera.files.paths'],
    find: ({ camera }) =>
      camera.kind === 'files' && camera.files.paths.length === 0
        ? { path: 'camera.files.paths', expected: 'at least one image file or folder, as camera.kind is files' }
        : null,
  },
  {
    about: 'camera.spinnaker.TriggerSource with trigger.source mqtt: a line and the PLC cannot both start exposures',
    paths: ['camera.kind', 'camera.spinnaker.TriggerSource', 'trigger.source'],
    find: ({ camera, trigger }) =>
      camera.kind === 'spinnaker' && camera.spinnaker.TriggerSource !== null && trigger.source === 'mqtt'
        ? {
            path: 'camera.spinnaker.TriggerSource',
            expected: 'null, as trigger.source is mqtt (hardware: announced by the PLC, triggered by the line)',
          }
        : null,
  },
  {
    about: 'trigger.source hardware without a line that triggers the camera',
    paths: ['trigger.source', 'camera.kind', 'camera.spinnaker.TriggerSource', 'camera.aravis.TriggerSource'],
    find: ({ camera, trigger }) => {
      if (trigger.source !== 'hardware') return null;
      if (camera.kind !== 'spinnaker' && camera.kind !== 'aravis') {
        return { path: 'camera.kind', expected: 'spinnaker or aravis, as trigger.source is hardware' };
      }
      return camera[camera.kind].TriggerSource === null
        ? { path: `camera.${camera.kind}.TriggerSource`, expected: 'an input line such as Line0, as trigger.source is hardware' }
        : null;
    },
  },
  {
    about: 'trigger.leadMin not below trigger.leadMax',
    paths: ['trigger.leadMin', 'trigger.leadMax'],
    find: ({ trigger }) =>
      trigger.leadMin >= trigger.leadMax
        ? { path: 'trigger.leadMin', expected: `less than trigger.leadMax (${trigger.leadMax} ms)` }
        : null,
  },
  {
    about: 'camera.spinnaker.strobeLine and acceptLine on one output',
    paths: ['camera.spinnaker.strobeLine', 'camera.spinnaker.acceptLine'],
    find: ({ camera: { spinnaker } }) =>
      spinnaker.acceptLine !== null && spinnaker.acceptLine === spinnaker.strobeLine
        ? { path: 'camera.spinnaker.acceptLine', expected: 'another output than strobeLine' }
        : null,
  },
  {
    about: 'camera.spinnaker: one of strobeLine and acceptLine is the line that triggers',
    paths: ['camera.spinnaker.TriggerSource', 'camera.spinnaker.strobeLine', 'camera.spinnaker.acceptLine'],
    find: ({ camera: { spinnaker } }) => {
      const { TriggerSource: input, strobeLine, acceptLine } = spinnaker;
      return input !== null && (input === strobeLine || input === acceptLine)
        ? { path: 'camera.spinnaker.TriggerSource', expected: 'a line that is no output' }
        : null;
    },
  },
  {
    about: 'camera.aravis.TriggerSource with trigger.source mqtt: a line and the PLC cannot both start exposures',
    paths: ['camera.kind', 'camera.aravis.TriggerSource', 'trigger.source'],
    find: ({ camera, trigger }) =>
      camera.kind === 'aravis' && camera.aravis.TriggerSource !== null && trigger.source === 'mqtt'
        ? { path: 'camera.aravis.TriggerSource', expected: 'null, as trigger.source is mqtt' }
        : null,
  },
  {
    about: 'camera.aravis: TriggerSource, strobeLine and acceptLine are not three different lines',
    paths: ['camera.aravis.TriggerSource', 'camera.aravis.strobeLine', 'camera.aravis.acceptLine'],
    find: ({ camera: { aravis } }) => {
      const lines = [aravis.TriggerSource, aravis.strobeLine, aravis.acceptLine].filter((line) => line !== null);
      return new Set(lines).size === lines.length
        ? null
        : { path: 'camera.aravis.acceptLine', expected: 'another line than TriggerSource and strobeLine' };
    },
  },
  {
    about: 'recipe.teach.auto without recipe.active: the recipe taught needs an id',
    paths: ['recipe.teach.auto', 'recipe.active'],
    find: ({ recipe }) =>
      recipe.teach.auto && recipe.active === null
        ? { path: 'recipe.active', expected: 'the id of the recipe to teach, as recipe.teach.auto is true' }
        : null,
  },
  {
    about: 'recipe.teach.auto with a real camera: whatever comes first would count as good',
    paths: ['recipe.teach.auto', 'camera.kind'],
    find: (values) =>
      values.recipe.teach.auto && isReal(values)
        ? { path: 'recipe.teach.auto', expected: `false with camera.kind ${values.camera.kind}; teach with \`verdictd teach\`` }
        : null,
  },
  {
    about: 'inference.providers with one named twice, or with one after cpu, which would never be tried',
    paths: ['inference.providers'],
    find: ({ inference: { providers } }) => {
      const twice = new Set(providers).size !== providers.length;
      const unreached = providers.includes('cpu') && providers.at(-1) !== 'cpu';
      return twice || unreached
        ? { path: 'inference.providers', expected: `each of ${executionProviders.join(', ')} at most once, nothing after cpu` }
        : null;
    },
  },
  {
    about: 'quality.minMean not below quality.maxMean: no picture would be judged',
    paths: ['quality.minMean', 'quality.maxMean'],
    find: ({ quality }) =>
      quality.minMean < quality.maxMean
        ? null
        : { path: 'quality.minMean', expected: `less than quality.maxMean, which is ${quality.maxMean}` },
  },
  {
    about: 'broker.embedded with a plc.url that is not mqtt:// on this machine at broker.port: the station would talk to another broker',
    paths: ['broker.embedded', 'broker.port', 'plc.url'],
    find: ({ broker, plc }) => {
      if (!broker.embedded || plc.url === null) return null;
      const url = new URL(plc.url);
      const port = url.port === '' ? 1883 : Number(url.port);
      return url.protocol === 'mqtt:' && isLoopback(plc.url) && port === broker.port
        ? null
        : { path: 'plc.url', expected: `null, or mqtt://${broker.host}:${broker.port}, as broker.embedded is true` };
    },
  },
  {
    about: 'plc.caFile, plc.certFile or plc.keyFile without mqtts:// in plc.url: the link would not be encrypted after all',
    paths: ['plc.url', 'plc.caFile', 'plc.certFile', 'plc.keyFile'],
    find: ({ plc }) =>
      (plc.caFile ?? plc.certFile ?? plc.keyFile) !== null && !/^mqtts:/i.test(plc.url ?? '')
        ? { path: 'plc.url', expected: 'mqtts://HOST[:PORT], as certificates are given' }
        : null,
  },
  {
    about: 'plc.certFile without plc.keyFile, or the other way round',
    paths: ['plc.certFile', 'plc.keyFile'],
    find: ({ plc }) => {
      if ((plc.certFile === null) === (plc.keyFile === null)) return null;
      const [missing, given] = plc.certFile === null ? ['certFile', 'keyFile'] : ['keyFile', 'certFile'];
      return { path: `plc.${missing}`, expected: `a path, as plc.${given} is given` };
    },
  },
  {
    about: 'plc.passwordFile without plc.username',
    paths: ['plc.passwordFile', 'plc.username'],
    find: ({ plc }) =>
      plc.passwordFile !== null && plc.username === null
        ? { path: 'plc.username', expected: 'a user name, as plc.passwordFile is given' }
        : null,
  },
  {
    about: 'demo.plc in free run: it would trigger parts that nobody waits for',
    paths: ['demo.plc', 'trigger.source'],
    find: ({ demo, trigger }) =>
      demo.plc && trigger.source !== 'mqtt' ? { path: 'trigger.source', expected: 'mqtt, as demo.plc is true' } : null,
  },
  {
    about: 'demo.plc with a real camera, or with a broker elsewhere: exactly one client may trigger, and there it is the PLC',
    paths: ['demo.plc', 'plc.url', 'camera.kind'],
    find: (values) =>
      values.demo.plc && (isReal(values) || !isLoopback(values.plc.url))
        ? { path: 'demo.plc', expected: 'false with a real camera or a broker on another machine' }
        : null,
  },
];
