/** Values from outside the file: environment variables and `--set KEY=VALUE`. */
import { VerdictdError } from '../errors';
import { isSecret, type Mistake, nearest, show } from './mistakes';
import { type Leaf, leafByEnv, leafByPath } from './tree';

/** Variables of this prefix that are no keys: each is read by the part it belongs to. */
export const otherVariables: Readonly<Record<string, string>> = {
  VERDICTD_ORT_DIR: 'folder of another build of onnxruntime-node, such as one with TensorRT',
  VERDICTD_SPINNAKER_LIBRARY: 'path of the Spinnaker C library',
  VERDICTD_ARAVIS_LIBRARY: 'path of the Aravis library',
};

/** Those of the stand-in for the camera library begin so; it reads them itself (test/fake-spinnaker). */
const fakePrefix = 'VERDICTD_FAKE_';

export interface Override {
  leaf: Leaf;
  value: unknown;
  place: string;
}

export interface Overrides {
  given: Override[];
  mistakes: Mistake[];
}

/** Text of a variable or flag as the key's kind; what does not read so stays text, for the schema to refuse. */
function convert(text: string, leaf: Leaf): unknown {
  if (leaf.nullable && (text === '' || text === 'null')) return null;
  switch (leaf.kind) {
    case 'number':
      return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text === '' ? [] : text.split(',').map((one) => one.trim());
    case 'string':
      return text;
  }
}

export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Overrides {
  const given: Override[] = [];
  const mistakes: Mistake[] = [];
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (!name.startsWith('VERDICTD_') || text === undefined || name in otherVariables || name.startsWith(fakePrefix)) continue;
    const place = `environment ${name}`;
    const leaf = leafByEnv.get(name);
    if (leaf !== undefined) {
      given.push({ leaf, value: convert(text, leaf), place });
      continue;
    }
    const secret = isSecret(name);
    const near = nearest(name, [...leafByEnv.keys(), ...Object.keys(otherVariables)]);
    mistakes.push({
      path: name,
      place,
      value: secret ? null : show(text),
      expected: 'a variable that is known',
      hint: secret ? secretHint : near === undefined ? 'docs/config.md lists them' : `did you mean ${near}?`,
    });
  }
  return { given, mistakes };
}

export const secretHint = 'secrets stand in files: put it into one and name that in plc.passwordFile';

/** `settings` as given: "plc.ttl=1200". Throws USAGE where there is no "=". */
export function fromFlags(settings: readonly string[]): Overrides {
  const given: Override[] = [];
  const mistakes: Mistake[] = [];
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1) throw new VerdictdError('USAGE', `--set ${setting}: expected KEY=VALUE, such as --set plc.ttl=1200`);
    const path = setting.slice(0, at);
    const text = setting.slice(at + 1);
    const leaf = leafByPath.get(path);
    if (leaf !== undefined) {
      given.push({ leaf, value: convert(text, leaf), place: `--set ${path}` });
      continue;
    }
    const secret = isSecret(path);
    const near = nearest(path, leafByPath.keys());
    mistakes.push({
      path,
      place: `--set ${path}`,
      value: secret ? null : show(text),
      expected: 'a key that is known',
      hint: secret ? secretHint : near === undefined ? 'docs/config.md lists them' : `did you mean ${near}?`,
    });
  }
  return { given, mistakes };
}
